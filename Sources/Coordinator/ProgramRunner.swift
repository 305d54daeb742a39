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
/// Calls of one request are made one after the other; calls of different requests may overlap, and so may an
/// installation and calls of other programs.
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

    /// Takes installed programs off the devices, and with them the weights that no other one reads there.
    ///
    /// None of them may be running.
    func uninstall(_ keys: [ProgramKey]) async

    /// Runs an installed program on all devices.
    ///
    /// - Parameters:
    ///   - key: from ``install(_:progress:)``.
    ///   - request: under which resident outputs are kept and resident inputs without a slot are found.
    ///   - slots: the request of each slot of the batch, under which its resident inputs are found (`ResidentName`).
    ///   - inputs: whole tensors, for every input that is not resident.
    /// - Returns: the assembled outputs that are not resident.
    ///
    /// Throws where a device, a link or a deadline fails; what the call was to leave is then lost. Where a device was lost
    /// and comes back, the error is ``ClusterError/interrupted(worker:rank:loss:doing:)``: installed programs are still
    /// installed, the next call waits for the device, and texts are computed anew.
    func run(
        _ key: ProgramKey, request: UInt64, slots: [UInt64], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor]

    /// Frees what a request left on the devices; does nothing for a request that is not known.
    func release(request: UInt64) async

    /// Brings the devices back after a call has failed.
    ///
    /// - Returns: true where calls may be made again, on devices that have nothing of what requests had left on them;
    ///   false where nothing was lost, or nothing can be done.
    func recover(from error: any Error) async -> Bool
}

extension ProgramRunner {
    /// A runner that keeps what it has.
    public func uninstall(_ keys: [ProgramKey]) async {}

    /// A runner that brings nothing back.
    public func recover(from error: any Error) async -> Bool { false }
}
