package cn.gridpass.bridge

import java.io.IOException
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import java.net.URI
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread
import kotlinx.coroutines.CompletableDeferred

/** A way to the server that can fall silent: it goes on taking what is sent and hands nothing on. */
class Line(private val server: URI) : AutoCloseable {
    private val sockets = ConcurrentLinkedQueue<Socket>()
    private val door = ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"))

    @Volatile
    private var gate = CountDownLatch(0)

    @Volatile
    private var asked = CompletableDeferred<Unit>()

    /** Where phones find it. */
    val url = URI("https://127.0.0.1:${door.localPort}")

    init {
        thread(isDaemon = true) {
            try {
                while (true) serve(door.accept())
            } catch (_: IOException) {
                // The door was closed.
            }
        }
    }

    /** Falls silent; what is returned completes when a phone has asked something and waits. */
    fun silence(): CompletableDeferred<Unit> {
        asked = CompletableDeferred()
        gate = CountDownLatch(1)
        return asked
    }

    /** Hands on what was held, and everything from now on. */
    fun speak() = gate.countDown()

    /** Cuts every connection and takes no more. */
    override fun close() {
        door.close()
        speak()
        sockets.forEach(Socket::close)
    }

    private fun serve(phone: Socket) {
        val server = Socket(server.host, server.port)
        sockets += listOf(phone, server)
        carry(phone, server) { asked.complete(Unit) }
        carry(server, phone) {}
    }

    private fun carry(from: Socket, to: Socket, held: () -> Unit) = thread(isDaemon = true) {
        val bytes = ByteArray(16 * 1024)
        try {
            while (true) {
                val length = from.getInputStream().read(bytes)
                if (length < 0) break
                if (gate.count > 0) held()
                gate.await()
                to.getOutputStream().write(bytes, 0, length)
            }
        } catch (_: IOException) {
            // One side is gone; the other follows.
        }
        from.close()
        to.close()
    }
}
