package cn.gridpass.bridge

import java.net.URI
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.CompletableFuture
import java.util.concurrent.TimeUnit.SECONDS

/** A real server process over an empty folder, on a port that the system chose. */
class Server(private val folder: Path) : AutoCloseable {
    private val process: Process

    /** Where it listens. */
    val url: URI

    init {
        settings(null)
        run("init")
        process = command("serve").redirectError(folder.resolve("server.log").toFile()).start()
        val said = CompletableFuture.supplyAsync { process.inputStream.bufferedReader().readLine().orEmpty() }
        val line = said.get(30, SECONDS)
        check(line.startsWith("listening on ")) { "the server does not start" }
        url = URI(line.removePrefix("listening on "))
    }

    /** Makes a grid. */
    fun grid(code: String) {
        run("grid", "add", code, code)
    }

    /** Makes a worker of the grid; the enrolment code of the worker's phone, which will find the server at [at]. */
    fun worker(login: String, grid: String, at: URI = url): String {
        run("user", "add", login, login)
        run("user", "assign", login, grid)
        settings(at)
        return run("device", "code", login).trim()
    }

    override fun close() {
        process.destroyForcibly().waitFor()
    }

    /** `url` is only read when a code is printed, so it may change while the server runs. */
    private fun settings(url: URI?) {
        val lines = listOfNotNull("listen = \"127.0.0.1:0\"", url?.let { "url = \"$it\"" })
        Files.write(folder.resolve("gridpass.toml"), lines)
    }

    private fun run(vararg arguments: String): String {
        val errors = folder.resolve("command.log").toFile()
        val command = command(*arguments).redirectError(errors).start()
        val printed = command.inputStream.bufferedReader().readText()
        check(command.waitFor(30, SECONDS) && command.exitValue() == 0) {
            "gridpass-server ${arguments.first()}: ${errors.readText()}"
        }
        return printed
    }

    private fun command(vararg arguments: String): ProcessBuilder {
        val program = System.getProperty("gridpass.server")
        check(!program.isNullOrEmpty()) { "gridpass.server must name a program: run android/bridge/test.sh" }
        return ProcessBuilder(program, "--data", folder.toString(), *arguments)
    }
}
