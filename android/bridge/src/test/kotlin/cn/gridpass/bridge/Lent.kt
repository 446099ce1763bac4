package cn.gridpass.bridge

import cn.gridpass.ffi.Clock
import cn.gridpass.ffi.KeyStore
import java.util.concurrent.ConcurrentHashMap

/** A key store in memory that can be told to fail. */
class MemoryKeys : KeyStore {
    private val secrets = ConcurrentHashMap<String, ByteArray>()

    /** What every call throws from now on. */
    @Volatile
    var failure: Exception? = null

    override fun load(name: String): ByteArray? {
        failure?.let { throw it }
        return secrets[name]
    }

    override fun store(name: String, secret: ByteArray) {
        failure?.let { throw it }
        secrets[name] = secret
    }

    override fun delete(name: String) {
        failure?.let { throw it }
        secrets.remove(name)
    }
}

/** The clocks of a desk. */
object DeskClock : Clock {
    override fun wallMs(): Long = System.currentTimeMillis()

    override fun monotonicMs(): Long = System.nanoTime() / 1_000_000
}
