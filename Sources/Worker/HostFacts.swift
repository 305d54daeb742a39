import CLinux
import Glibc

/// What a worker says about its machine, and asks of it.
enum HostFacts {
    /// Cores that this process may use.
    static var cpuCount: Int { Int(clinux_cpu_count()) }

    /// Moves the calling thread to a core, counted round among those that it may use; it may leave it again.
    ///
    /// Where the system forbids it, it stays where it is: only speed is at stake.
    static func startOnCore(_ number: Int) { _ = clinux_move_thread(Int32(clamping: number)) }

    /// Memory of the machine in bytes; 0 where the system does not say.
    static var memoryByteCount: Int {
        let (pages, size) = (sysconf(Int32(_SC_PHYS_PAGES)), sysconf(Int32(_SC_PAGESIZE)))
        return pages > 0 && size > 0 ? pages * size : 0
    }

    /// Bytes of this process that are in memory; 0 where the system does not say.
    static var residentByteCount: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 128)
        guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
        let words = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .split(separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * max(0, sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    /// This process.
    static var processID: Int { Int(getpid()) }

    /// Name of the machine.
    static var name: String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "unknown" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
