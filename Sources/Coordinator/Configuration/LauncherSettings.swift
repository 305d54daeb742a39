/// How workers come to life.
public enum LauncherKind: String, Sendable, Hashable, CaseIterable {
    /// People or service managers start them, anywhere; the coordinator waits for them.
    case external
    /// Processes on the coordinator's machine.
    case local
    /// Steps of the Slurm allocation that the coordinator runs in.
    case slurm
    /// Processes on other machines, through the system's ssh program.
    case ssh
}

/// How workers come to life, with what each way needs to know.
public struct LauncherSettings: Sendable, Hashable {
    /// A program that starts processes elsewhere, and what it starts.
    public struct Remote: Sendable, Hashable {
        /// The program: a name in PATH, or a path.
        public var command: String
        /// Options given to it before our own, which they win over.
        public var options: [String]
        /// The tessera to be started; nil: of Slurm the coordinator's own path, of ssh `tessera` in PATH.
        public var executable: String?
        /// Folder to start it in; nil: what the program takes.
        public var directory: String?

        /// Makes settings.
        public init(
            command: String, options: [String] = [], executable: String? = nil, directory: String? = nil
        ) {
            self.command = command
            self.options = options
            self.executable = executable
            self.directory = directory
        }
    }

    /// Which way.
    public var kind: LauncherKind
    /// Of ``LauncherKind/ssh``.
    public var ssh: Remote
    /// Of ``LauncherKind/slurm``.
    public var slurm: Remote

    /// Makes settings.
    public init(
        _ kind: LauncherKind = .local, ssh: Remote = Remote(command: "ssh"), slurm: Remote = Remote(command: "srun")
    ) {
        self.kind = kind
        self.ssh = ssh
        self.slurm = slurm
    }
}
