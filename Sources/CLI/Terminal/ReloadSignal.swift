import Dispatch
import Glibc
import Synchronization

/// Calls back on SIGHUP: the daemons' word for "read your files again".
final class ReloadSignal: Sendable {
    private let source: Mutex<any DispatchSourceSignal>

    /// Watches from now on.
    ///
    /// Nil where a person sits in front: there the signal says that the terminal is gone, and ends the process as always.
    init?(_ reload: @escaping @Sendable () -> Void) {
        guard isatty(STDIN_FILENO) == 0 else { return nil }
        signal(SIGHUP, SIG_IGN)
        source = Mutex(DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global()))
        source.withLock { source in
            source.setEventHandler(handler: reload)
            source.resume()
        }
    }

    deinit { source.withLock { $0.cancel() } }
}
