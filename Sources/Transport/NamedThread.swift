import CLinux
import Glibc
import Synchronization

/// An operating system thread with a name, for work that blocks and so must stay off the cooperative pool.
package final class NamedThread: Sendable {
    private final class Start {
        let name: String
        let body: () -> Void
        init(name: String, body: @escaping () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private let handle: Mutex<pthread_t?>

    /// Starts a thread.
    ///
    /// At most 15 bytes of the name are shown by the system.
    package init(name: String, body: @escaping @Sendable () -> Void) throws(TransportError) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                _ = clinux_name_thread(String(decoding: start.name.utf8.prefix(15), as: UTF8.self))
                start.body()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw .failure("starting the thread \(name)", at: "this process", code: code)
        }
        handle = Mutex(thread)
    }

    deinit {
        // Nobody waited for the end: let the system clean up by itself.
        handle.withLock { thread in
            if let thread { pthread_detach(thread) }
        }
    }

    /// Waits until the thread has ended.
    ///
    /// Later calls return at once.
    package func join() {
        let thread = handle.withLock { handle -> pthread_t? in
            defer { handle = nil }
            return handle
        }
        if let thread { pthread_join(thread, nil) }
    }
}
