import CZeroMQ
import Synchronization

// Sendable because libzmq contexts may be used from any thread and the pointer never changes.
/// A libzmq context: the threads that do the socket I/O.
///
/// It ends when its last socket has been closed and the last reference is gone; ending waits at most for the sockets'
/// linger period. Make it after any fork.
public final class Context: @unchecked Sendable {
    /// The oldest version without known holes in what is used here.
    package static let requiredVersion = (major: 4, minor: 3, patch: 4)

    private static let count = Atomic<Int32>(0)

    let pointer: UnsafeMutableRawPointer
    /// What the system calls the I/O thread, once there has been a socket; other threads of the process have other names.
    let ioThreadName: String
    /// Says who may connect, where there is a key.
    private let admission: Admission?

    /// Starts a context with one I/O thread; with a key its sockets can admit those who have it.
    ///
    /// Throws where the installed library is too old.
    public init(key: ClusterKey? = nil) throws(TransportError) {
        let found = Self.version
        guard found >= Self.requiredVersion else {
            let required = Self.requiredVersion
            throw .libraryTooOld(
                found: Self.libraryVersion, required: "\(required.major).\(required.minor).\(required.patch)")
        }
        guard let pointer = zmq_ctx_new() else { throw .lastFailure("making a ZeroMQ context", at: "this process") }
        // With four digits the names still have no more than the 15 bytes that the system keeps.
        let number = Self.count.add(1, ordering: .relaxed).oldValue & 0x1FFF
        let isNamed = zmq_ctx_set(pointer, ZMQ_THREAD_NAME_PREFIX, number) == 0
        ioThreadName = isNamed ? "\(number)/ZMQbg/IO/0" : ""
        do throws(TransportError) {
            if let key { admission = try Admission(context: pointer, key: key) } else { admission = nil }
        } catch {
            zmq_ctx_term(pointer)
            throw error
        }
        self.pointer = pointer
    }

    deinit {
        // Sockets hold a reference to their context, so all are closed here and this ends within their linger period.
        while zmq_ctx_term(pointer) != 0, zmq_errno() == EINTR {}
        admission?.join()
    }

    /// Version of the installed library, for `doctor` and the log.
    public static var libraryVersion: String { "\(version.0).\(version.1).\(version.2)" }

    private static var version: (Int, Int, Int) {
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        zmq_version(&major, &minor, &patch)
        return (Int(major), Int(minor), Int(patch))
    }
}
