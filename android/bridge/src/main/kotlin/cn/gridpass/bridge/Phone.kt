package cn.gridpass.bridge

import cn.gridpass.ffi.CreateInput
import cn.gridpass.ffi.InboxItemView
import cn.gridpass.ffi.ListInput
import cn.gridpass.ffi.ListView
import cn.gridpass.ffi.LockState
import cn.gridpass.ffi.PhoneInput
import cn.gridpass.ffi.ReceiptView
import cn.gridpass.ffi.RecordView
import cn.gridpass.ffi.RowView
import cn.gridpass.ffi.SaveInput
import cn.gridpass.ffi.SavedView
import cn.gridpass.ffi.StateView
import cn.gridpass.ffi.SyncView
import java.util.concurrent.atomic.AtomicBoolean
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext

/**
 * One enrolment on one phone. Every function may be called on the main thread and fails with a
 * [cn.gridpass.ffi.PhoneException]. What reads and writes files runs on [files].
 */
class Phone private constructor(
    private val native: cn.gridpass.ffi.Phone,
    private val files: CoroutineDispatcher,
) : AutoCloseable {
    private val closed = AtomicBoolean()

    /** The state of the phone. */
    suspend fun state(): StateView = withContext(files) { native.state() }

    /** Records found by what was typed, at most [limit]. */
    suspend fun search(typed: String, collection: String? = null, limit: UInt = 50u): List<RowView> =
        withContext(files) { native.search(typed, collection, limit) }

    /** One page of a list. */
    suspend fun list(query: ListInput): ListView = withContext(files) { native.list(query) }

    /**
     * A list that stays current: emitted at once, then whenever it is different; a slow collector misses states in
     * between, never the last one. Collecting it no more ends its work.
     */
    fun live(query: ListInput): Flow<ListView> = flow {
        native.watch(query).use { list ->
            try {
                while (true) emit(list.next() ?: break)
            } finally {
                list.stop()
            }
        }
    }

    /** A record with its fields and links. */
    suspend fun show(record: String): RecordView = withContext(files) { native.show(record) }

    /** Makes a record. It is durable when this returns; a caller that is cancelled meanwhile may have made it. */
    suspend fun create(input: CreateInput): SavedView = withContext(files) { native.create(input) }

    /** Saves a form. It is durable when this returns; a caller that is cancelled meanwhile may have saved it. */
    suspend fun save(input: SaveInput): SavedView = withContext(files) { native.save(input) }

    /** Everything that waits for its author, oldest first. */
    suspend fun inbox(): List<InboxItemView> = withContext(files) { native.inbox() }

    /** The receipts of a record, each with its signature checked. */
    suspend fun receipts(record: String): List<ReceiptView> = withContext(files) { native.receipts(record) }

    /** Sends what waits and fetches what is new. Cancelling it is safe at any moment; what was stored stays. */
    suspend fun sync(): SyncView = native.sync()

    /** Ends the syncs that run and lets the phone go; nothing may be called afterwards. */
    override fun close() {
        if (closed.getAndSet(true)) return
        native.stop()
        native.close()
    }

    companion object {
        /** What opening this phone will need. */
        suspend fun lockState(input: PhoneInput, files: CoroutineDispatcher = Dispatchers.IO): LockState =
            withContext(files) { cn.gridpass.ffi.lockState(input) }

        /** Enrols this phone with the text of a one-time code, and opens it. */
        suspend fun enrol(code: String, input: PhoneInput, files: CoroutineDispatcher = Dispatchers.IO): Phone =
            Phone(cn.gridpass.ffi.Phone.enrol(code, input), files)

        /** Opens the phone. */
        suspend fun open(input: PhoneInput, files: CoroutineDispatcher = Dispatchers.IO): Phone =
            Phone(withContext(files) { cn.gridpass.ffi.Phone.open(input) }, files)
    }
}
