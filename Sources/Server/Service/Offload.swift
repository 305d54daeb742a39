import Foundation

/// Runs what computes for long (files of pictures, large bodies) on threads of its own.
///
/// Tasks share few threads, and the scheduler's next order to the workers comes from one of them: it must not wait until a
/// picture is compressed.
public enum Offload {
    private static let threads: OperationQueue = {
        let threads = OperationQueue()
        threads.name = "tessera.offload"
        // Workers compute meanwhile; half of the cores make files fast enough.
        threads.maxConcurrentOperationCount = max(1, ProcessInfo.processInfo.activeProcessorCount / 2)
        return threads
    }()

    /// Runs a body, first come first served, and waits for it.
    ///
    /// Throws what `body` throws.
    public static func run<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            threads.addOperation {
                let result: Result<Value, Failure>
                do throws(Failure) {
                    result = .success(try body())
                } catch {
                    result = .failure(error)
                }
                continuation.resume(returning: result)
            }
        }
        return try result.get()
    }
}
