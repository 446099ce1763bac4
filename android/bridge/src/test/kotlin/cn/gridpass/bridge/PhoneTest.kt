package cn.gridpass.bridge

import cn.gridpass.ffi.CreateInput
import cn.gridpass.ffi.EditInput
import cn.gridpass.ffi.FieldValue
import cn.gridpass.ffi.HostException
import cn.gridpass.ffi.ListInput
import cn.gridpass.ffi.ListView
import cn.gridpass.ffi.LockState
import cn.gridpass.ffi.PhoneException
import cn.gridpass.ffi.PhoneInput
import cn.gridpass.ffi.RecordState
import cn.gridpass.ffi.SaveInput
import cn.gridpass.ffi.ValueInput
import cn.gridpass.ffi.runningJobs
import java.nio.file.Path
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.async
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.api.fail

/** Phones as an app holds them, against a real server. */
class PhoneTest {
    @TempDir
    lateinit var folder: Path

    private val opened = mutableListOf<AutoCloseable>()

    @AfterEach
    fun closeAll() = opened.asReversed().forEach { it.close() }

    @Test
    fun `what is made without a network is delivered, receipted and still there after a restart`() = story {
        server.grid("A")
        val keys = MemoryKeys()
        val line = Line(server.url).also { opened += it }
        val phone = enrolled("li", "A", line, keys)

        val asked = line.silence()
        val area = phone.create(area("海尔山庄")).record
        val house = phone.create(record("house", "address_id" to text(area), "nature" to text("owner_occupied"))).record
        val household = phone.create(record("household", "house_id" to text(house))).record
        val made = listOf(area, house, household)
        assertEquals(3u, phone.state().unsent)
        assertEquals(RecordState.ON_PHONE, phone.show(household).row.state)
        assertEquals(emptyList<Any>(), phone.receipts(household))
        assertTrue(asked.isActive, "nobody asks the server")
        line.speak()

        val report = phone.sync()
        assertTrue(report.complete)
        assertEquals(0u, report.unsent)
        assertEquals(List(3) { listOf(true) }, made.map { record -> phone.receipts(record).map { it.valid } })
        assertEquals(emptyList<Any>(), phone.inbox())

        phone.close()
        val input = input("li", keys)
        assertEquals(LockState.READY, Phone.lockState(input))
        val again = Phone.open(input).also { opened += it }
        assertEquals(listOf(area), again.search("hesz", "address").map { it.record })
        assertEquals(listOf(house), again.list(ListInput(parent = area)).rows.map { it.record })
        val shown = again.show(household)
        assertEquals(RecordState.ON_SERVER, shown.row.state)
        assertEquals(house, shown.links.single { it.key == "house_id" }.record)
        assertEquals(text("family"), shown.fields.single { it.key == "kind" }.value)
    }

    @Test
    fun `a live list shows a colleague's edit within a second after the sync`() = story {
        server.grid("B")
        val li = enrolled("li-b", "B")
        val wang = enrolled("wang-b", "B")
        val area = li.create(area("海尔山庄")).record
        li.sync()
        wang.sync()

        val lists = Channel<ListView>(Channel.UNLIMITED)
        val watching = launch { wang.live(ListInput(collection = "address")).collect(lists::send) }
        assertEquals(listOf("海尔山庄"), lists.receive().rows.map { it.title })

        val seen = li.show(area).fields.single { it.key == "estate" }.value
        val edit = EditInput("estate", seen, text("海尔山庄一期"))
        assertNotNull(li.save(SaveInput(record = area, edits = listOf(edit))).intent)
        li.sync()
        assertTrue(lists.tryReceive().isFailure, "nothing is different before the sync")
        wang.sync()
        withTimeout(1.seconds) {
            while (lists.receive().rows.map { it.title } != listOf("海尔山庄一期")) Unit
        }

        awaitJobs(1u)
        watching.cancel()
        awaitJobs(0u)
        assertTrue(wang.sync().complete)
    }

    @Test
    fun `a sync without an answer is gone within a second when it is cancelled or stopped`() = story {
        server.grid("C")
        val line = Line(server.url).also { opened += it }
        val phone = enrolled("li-c", "C", line)
        val area = phone.create(area("海尔山庄")).record

        val asked = line.silence()
        val sync = async { phone.sync() }
        asked.await()
        assertEquals(1u, runningJobs())
        assertTrue(sync.isActive)
        sync.cancel()
        awaitJobs(0u)
        assertEquals(1u, phone.state().unsent)

        line.speak()
        assertTrue(phone.sync().complete)
        assertEquals(listOf(true), phone.receipts(area).map { it.valid })

        // What an app does when it lets the phone go, and what Swift does in place of cancelling.
        val askedAgain = line.silence()
        val stopped = async { failure<PhoneException.Stopped> { phone.sync() } }
        askedAgain.await()
        assertEquals(1u, runningJobs())
        phone.close()
        stopped.await()
        awaitJobs(0u)
    }

    @Test
    fun `without a server nothing is lost and the app is told to try later`() = story {
        server.grid("D")
        val phone = Line(server.url).use { enrolled("li-d", "D", it) }
        val area = phone.create(area("海尔山庄")).record
        val later = failure<PhoneException.Later> { phone.sync() }
        assertEquals("no_answer", later.code)
        assertTrue(later.afterMs > 0u)
        assertEquals(RecordState.ON_PHONE, phone.show(area).row.state)
    }

    @Test
    fun `a key store that fails is told as a storage error and hurts nothing`() = story {
        server.grid("E")
        val keys = MemoryKeys()
        val code = server.worker("li-e", "E")
        val input = input("li-e", keys)
        // One that the interface names, and one that nobody expected.
        for (failure in listOf(HostException.Failed(), IllegalStateException("locked by the platform"))) {
            keys.failure = failure
            assertEquals("key store, load", failure<PhoneException.Storage> { Phone.enrol(code, input) }.step)
            assertEquals("key store, load", failure<PhoneException.Storage> { Phone.open(input) }.step)
        }
        keys.failure = null
        assertEquals(LockState.NOT_ENROLLED, Phone.lockState(input))
        failure<PhoneException.Enrol> { Phone.open(input) }
        val phone = Phone.enrol(code, input).also { opened += it }
        assertTrue(phone.sync().complete)
    }

    @Test
    fun `bad input is told with the field it is about`() = story {
        server.grid("F")
        val phone = enrolled("li-f", "F")
        // The last digit should be 0; 370299 is no division, so this number was never given out.
        val person = record(
            "person",
            "name" to text("测试甲"),
            "gender" to text("1"),
            "birth" to text("1990-03-07"),
            "nationality" to text("CHN"),
            "pop_class" to text("here"),
            "id_type" to text("resident_id"),
            "id_no" to text("370299199003070015"),
        )
        assertEquals(listOf("id_no"), problems { phone.create(person) })
        assertEquals(listOf("record"), problems { phone.show("no identifier") })
        assertEquals(listOf("parent"), problems { phone.list(ListInput(parent = "?")) })
        assertEquals(listOf("code"), problems { Phone.enrol("gridpass:?", input("nobody", MemoryKeys())) })
        failure<PhoneException.NotFound> { phone.show("00".repeat(16)) }
        assertEquals(0u, phone.state().unsent)
    }

    /** A phone that is enrolled and has learnt its grid by a first sync. */
    private suspend fun enrolled(
        login: String,
        grid: String,
        line: Line? = null,
        keys: MemoryKeys = MemoryKeys(),
    ): Phone {
        val phone = Phone.enrol(server.worker(login, grid, line?.url ?: server.url), input(login, keys))
        opened += phone
        assertTrue(phone.sync().complete)
        return phone
    }

    private fun input(login: String, keys: MemoryKeys) =
        PhoneInput(folder = folder.resolve(login).toString(), appVersion = "test", keys = keys, clock = DeskClock)

    private suspend fun problems(act: suspend () -> Unit): List<String?> =
        failure<PhoneException.Input>(act).problems.map { it.key }

    companion object {
        @TempDir
        @JvmStatic
        lateinit var data: Path

        private lateinit var server: Server

        @BeforeAll
        @JvmStatic
        fun serve() {
            server = Server(data)
        }

        @AfterAll
        @JvmStatic
        fun end() = server.close()

        /** A story has to come to an end. */
        private fun story(tell: suspend CoroutineScope.() -> Unit) = runBlocking { withTimeout(60.seconds, tell) }

        private fun text(text: String) = FieldValue.Text(text)

        private fun record(collection: String, vararg values: Pair<String, FieldValue>) =
            CreateInput(collection, values.map { (key, value) -> ValueInput(key, value) })

        private fun area(estate: String) =
            record("address", "level" to text("area"), "estate" to text(estate), "usage" to text("residential"))

        private suspend inline fun <reified E : PhoneException> failure(act: suspend () -> Unit): E {
            try {
                act()
            } catch (error: PhoneException) {
                return error as? E ?: fail("expected ${E::class.simpleName}, got ${error::class.simpleName}")
            }
            fail("expected ${E::class.simpleName}")
        }

        /** Waits, a second at most, until so many jobs run. */
        private suspend fun awaitJobs(count: UInt) = withTimeout(1.seconds) {
            while (runningJobs() != count) delay(5.milliseconds)
        }
    }
}
