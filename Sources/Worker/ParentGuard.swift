import CLinux
import Glibc

/// Binds the life of a worker's process to that of the coordinator that started it.
public enum ParentGuard {
    /// Name of the environment variable in which a launcher leaves its process id.
    public static let variable = "TESSERA_PARENT_PID"

    /// Makes the kernel end this process with the launcher's, where a launcher left its id in the environment.
    ///
    /// Throws ``WorkerError/orphaned`` where that process is gone already.
    public static func bind() throws(WorkerError) {
        guard let text = getenv(variable), let parent = Int32(String(cString: text)) else { return }
        if clinux_die_with_parent(SIGKILL, parent) == -ESRCH { throw .orphaned }
    }
}
