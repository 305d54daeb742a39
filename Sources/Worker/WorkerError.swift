/// What a worker cannot do; cases in alphabetical order.
public enum WorkerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The program was compiled for another device.
    case foreignProgram(program: String, device: Int, rank: Int)
    /// What the launcher hands over through the standard input is missing or wrong.
    case launcherInput(reason: String)
    /// Weights and memory of the programs would take more than the worker may.
    case memoryLimit(program: String, needed: Int, limit: Int)
    /// The process that started the worker is gone.
    case orphaned
    /// A call names a program that is not installed.
    case unknownProgram(key: String)

    /// A stable word for logs, metrics and JSON.
    public var code: String {
        switch self {
        case .foreignProgram: "foreignProgram"
        case .launcherInput: "launcherInput"
        case .memoryLimit: "memoryLimit"
        case .orphaned: "orphaned"
        case .unknownProgram: "unknownProgram"
        }
    }

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .foreignProgram(let program, let device, let rank):
            "program \(program) was compiled for device \(device), but this worker has rank \(rank)"
        case .launcherInput(let reason):
            "\(reason); --attached is for launchers, which hand a worker's variables to its standard input: leave it out"
        case .memoryLimit(let program, let needed, let limit):
            "program \(program) needs \(needed >> 20) MiB on this worker, which may take \(limit >> 20) MiB: raise"
                + " its memory limit or add workers"
        case .orphaned: "the process that started this worker is gone"
        case .unknownProgram(let key): "no program \(key) is installed on this worker"
        }
    }
}
