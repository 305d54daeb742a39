import Dispatch
import Glibc
import Synchronization

/// Turns SIGTERM and SIGINT into requests to stop: the first drains, the second is at once.
final class StopSignals: Sendable {
    /// What a signal asks for.
    enum Request: Sendable {
        /// Finish what runs, then stop.
        case drain
        /// Stop now.
        case now
    }

    /// The requests, as they come; at most one of each.
    let requests: AsyncStream<Request>
    private let sources: Mutex<[any DispatchSourceSignal]>

    /// Watches from now on; the default action of both signals is off.
    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Request.self)
        requests = stream
        let count = Counter()
        sources = Mutex(
            [SIGTERM, SIGINT].map { number in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler {
                    switch count.next() {
                    case 1: continuation.yield(.drain)
                    case 2: continuation.yield(.now)
                    default: _exit(ExitStatus.failure.rawValue)
                    }
                }
                source.resume()
                return source
            })
    }

    private final class Counter: Sendable {
        private let value = Mutex(0)
        func next() -> Int {
            value.withLock { value in
                value += 1
                return value
            }
        }
    }
}
