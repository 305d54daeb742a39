import CLinux
import Glibc
import Logging
import Transport

/// A child process with a thread that starts it, reads what it writes and reaps it.
///
/// One thread does all three because a child that asked to die with its parent dies with the *thread* that started it.
final class LocalProcess: LaunchedWorker {
    /// How long to wait for the last lines of a process that has ended: a process it started may hold the pipe.
    private static let drainMilliseconds: Int32 = 200
    /// How often to look where the kernel has no process descriptors.
    private static let pollMilliseconds: Int32 = 50

    private enum State {
        case starting
        case failed(String)
        case running(pid_t)
        case ended
    }

    private let state: ConditionLock<State>

    /// Starts a process.
    ///
    /// Throws ``ClusterError/launchFailed(worker:reason:)`` where the system does not start it.
    ///
    /// - Parameters:
    ///   - input: what it reads from its standard input, at most as much as a pipe holds.
    ///   - holdsInput: true where the input does not end after that, but with the process or with this one.
    init(
        name: String, executable: String, arguments: [String], environment: [String: String], input: [UInt8] = [],
        holdsInput: Bool = false, logger: Logger, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) {
        let state = ConditionLock(State.starting)
        self.state = state
        var logger = logger
        logger[metadataKey: "worker"] = "\(name)"
        let log = logger
        do {
            // Detached on release; it ends after the process has.
            _ = try NamedThread(name: "launch-\(name)") {
                Self.watch(state, executable, arguments, environment, input, holdsInput, log, ended)
            }
        } catch {
            throw .launchFailed(worker: name, reason: error.description)
        }
        let problem: String? = state.wait { state in
            switch state {
            case .starting: nil
            case .failed(let reason): .some(reason)
            case .running, .ended: .some(nil)
            }
        }
        if let problem { throw .launchFailed(worker: name, reason: problem) }
    }

    func terminate() { signal(SIGTERM) }
    func kill() { signal(SIGKILL) }

    private func signal(_ number: Int32) {
        // The lock is held so that the process cannot be reaped, and its number given to another, in between.
        state.update { state in
            if case .running(let process) = state { _ = Glibc.kill(-process, number) }
        }
    }

    private static func watch(
        _ state: ConditionLock<State>, _ executable: String, _ arguments: [String], _ environment: [String: String],
        _ input: [UInt8], _ holdsInput: Bool, _ logger: Logger, _ ended: @Sendable (WorkerExit) -> Void
    ) {
        var ends: [Int32] = [-1, -1]
        let code = clinux_pipe(&ends)
        guard code == 0 else {
            return state.update { $0 = .failed("no pipe for its output: \(String(cString: strerror(-code)))") }
        }
        defer { close(ends[0]) }
        let needsInput = holdsInput || !input.isEmpty
        var inputs = needsInput ? filledPipe(input) ?? [-1, -1] : [-1, -1]
        defer { if inputs[1] >= 0 { close(inputs[1]) } }
        if !holdsInput, inputs[1] >= 0 {
            close(inputs[1])
            inputs[1] = -1
        }
        let process =
            needsInput && inputs[0] < 0
            ? -EMFILE : spawn(executable, arguments, environment, input: inputs[0], output: ends[1])
        if inputs[0] >= 0 { close(inputs[0]) }
        guard process > 0 else {
            close(ends[1])
            return state.update { $0 = .failed("\(executable): \(String(cString: strerror(-process)))") }
        }
        close(ends[1])
        state.update { $0 = .running(process) }
        logger.debug("worker process started", metadata: ["pid": "\(process)"])
        var tail = LineTail()
        func log(_ lines: [String]) { for line in lines { logger.info("\(line)") } }
        var isOpen = true
        func read(milliseconds: Int32, until descriptor: Int32) -> Bool {
            var items = [
                pollfd(fd: isOpen ? ends[0] : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&items, 2, milliseconds) > 0 else { return false }
            if items[0].revents != 0 {
                var bytes = [UInt8](repeating: 0, count: 4096)
                let count = Glibc.read(ends[0], &bytes, bytes.count)
                if count > 0 { log(tail.add(bytes[..<count])) }
                if count == 0 { isOpen = false }
            }
            return true
        }
        let descriptor = clinux_pidfd(process)
        var status: Int32 = 0
        while true {
            let isReaped = state.update { state in
                guard waitpid(process, &status, WNOHANG) == process else { return false }
                state = .ended
                return true
            }
            if isReaped { break }
            _ = read(milliseconds: descriptor < 0 ? pollMilliseconds : -1, until: descriptor)
        }
        if descriptor >= 0 { close(descriptor) }
        // What the process started ends with it.
        _ = Glibc.kill(-process, SIGKILL)
        while isOpen && read(milliseconds: drainMilliseconds, until: -1) {}
        log(tail.finish())
        let how = status & 0x7F == 0 ? "exit status \(status >> 8 & 0xFF)" : "signal \(status & 0x7F)"
        logger.debug("worker process ended", metadata: ["status": "\(how)"])
        ended(WorkerExit(status: how, lastLines: tail.lines))
    }

    /// A pipe that holds these bytes; nil where there is none.
    private static func filledPipe(_ bytes: [UInt8]) -> [Int32]? {
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { return nil }
        // Nobody has read yet, so that more than a pipe holds would wait for ever.
        precondition(bytes.count <= 32 << 10, "the input of a process fits into a pipe")
        guard write(ends[1], bytes, bytes.count) == bytes.count else {
            close(ends[0])
            close(ends[1])
            return nil
        }
        return ends
    }

    /// The process id, or a negative error number.
    private static func spawn(
        _ executable: String, _ arguments: [String], _ environment: [String: String], input: Int32,
        output: Int32
    ) -> pid_t {
        var words: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + variables { free(text) } }
        return clinux_spawn(executable, &words, &variables, input, output)
    }
}
