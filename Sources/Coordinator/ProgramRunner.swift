public import Program
public import Tensor

/// What ``ProgramRunner/install(_:progress:)`` hands out: names an installed program of one shape.
public struct ProgramKey: Sendable, Hashable, CustomStringConvertible {
    /// The name, unique within a runner.
    public let name: String

    /// Wraps a name.
    public init(_ name: String) { self.name = name }

    /// The name.
    public var description: String { name }
}

/// Runs global programs on all devices of a mesh: the cluster of processes, or threads of this process.
///
/// Calls of one request are made one after the other; calls of different requests may overlap.
public protocol ProgramRunner: Sendable {
    /// Compiles programs for the mesh and installs on all devices those that are not installed already.
    ///
    /// - Parameters:
    ///   - programs: those that read what others leave on the devices come after them.
    ///   - progress: told how far loading is; never where nothing has to be loaded.
    /// - Returns: a key for each program, in their order.
    /// - Throws: what the compiler or the devices report.
    func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey]

    /// Runs an installed program on all devices.
    ///
    /// - Parameters:
    ///   - key: from ``install(_:progress:)``.
    ///   - request: under which resident outputs are kept and resident inputs are found.
    ///   - inputs: whole tensors, for every input that is not resident.
    /// - Returns: the assembled outputs that are not resident.
    ///
    /// Throws where a device, a link or a deadline fails; the request is then lost on the devices. Where a device was
    /// lost and comes back, the error is ``ClusterError/interrupted(worker:rank:loss:doing:)``: installed programs are
    /// still installed, the next call waits for the device, and the caller goes on with a new request from what it has.
    func run(
        _ key: ProgramKey, request: UInt64, inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor]

    /// Frees what a request left on the devices; does nothing for a request that is not known.
    func release(request: UInt64) async
}
