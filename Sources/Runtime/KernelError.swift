/// A kernel call whose buffers do not fit the operation; ``ExecutionError`` says where.
struct KernelError: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}
