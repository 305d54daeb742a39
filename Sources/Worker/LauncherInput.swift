import Glibc
import Protocol
import Transport

/// The standard input of a worker that a launcher started on this machine from another one.
///
/// First come variables (`EnvironmentEntries`), then the cluster's key if it has one, then nothing for as long as the worker
/// may live.
public enum LauncherInput {
    /// How long the variables may take to come.
    static let deadlineMilliseconds: Int32 = 60_000

    /// Reads the variables, and no byte more.
    ///
    /// Throws ``WorkerError/launcherInput(reason:)`` where the input ends, breaks off or is something else.
    public static func variables() throws(WorkerError) -> [String: String] {
        var reader = EnvironmentEntries()
        while true {
            var item = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            let ready = poll(&item, 1, deadlineMilliseconds)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw .launcherInput(reason: "no variables came from the launcher") }
            var byte: UInt8 = 0
            let count = read(STDIN_FILENO, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { throw .launcherInput(reason: "the standard input ended before the variables") }
            do throws(ProtocolError) {
                if let variables = try reader.take(byte) { return variables }
            } catch {
                throw .launcherInput(reason: error.description)
            }
        }
    }

    /// Ends this process as soon as the input ends: the connection to the launcher is gone, and with it the launcher.
    ///
    /// Throws `TransportError` where there is no thread for it.
    public static func endWithIt() throws {
        _ = try NamedThread(name: "launcher-input") {
            var bytes = [UInt8](repeating: 0, count: 256)
            while true {
                let count = read(STDIN_FILENO, &bytes, bytes.count)
                if count > 0 || count < 0 && errno == EINTR { continue }
                // Not exit: nothing is to be saved, and no other thread may hold this one up.
                _exit(1)
            }
        }
    }
}
