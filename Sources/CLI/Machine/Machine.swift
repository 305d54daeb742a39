import Foundation
import Glibc

/// Facts about this machine that decide how a worker runs.
enum Machine {
    /// Values of "key : value" files below /proc; the first of equal keys.
    static func fields(_ path: String) -> [String: String] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [:] }
        var fields: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let key = line[..<colon].trimmingCharacters(in: .whitespaces)
            if fields[key] == nil {
                fields[key] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
        }
        return fields
    }

    /// True where the processor has the AVX-512 instructions that OpenBLAS's kernels of that name use.
    static var hasAVX512: Bool {
        let flags = Set((fields("/proc/cpuinfo")["flags"] ?? "").split(separator: " "))
        return flags.isSuperset(of: ["avx512f", "avx512bw", "avx512vl", "avx512dq"])
    }

    /// Bytes in a "123 kB" field of /proc/meminfo.
    static func bytes(_ field: String?) -> Int? {
        guard let field, let count = Int(field.prefix { $0.isNumber }) else { return nil }
        return field.hasSuffix("kB") ? count * 1024 : count
    }

    /// A soft limit of this process, as /proc words it ("Max open files"): a number or "unlimited".
    static func limit(_ name: String) -> String? {
        guard let text = try? String(contentsOfFile: "/proc/self/limits", encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.dropFirst(name.count).split(separator: " ").first.map(String.init)
    }

    /// True where nothing listens on a port of this machine, so that it can be bound.
    static func isFree(port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port).bigEndian)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
