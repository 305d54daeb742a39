import Foundation

/// Memory of the processes that this one has started.
enum ChildMemory {
    /// Most bytes that each child had in memory so far, largest first.
    static func peakByteCounts() -> [Int] {
        let own = ProcessInfo.processInfo.processIdentifier
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.filter { $0.allSatisfy(\.isNumber) }.compactMap { name -> Int? in
            // A process may end while its file is read.
            guard let text = try? String(contentsOfFile: "/proc/\(name)/status", encoding: .utf8) else { return nil }
            let fields = fields(of: text)
            guard fields["PPid"] == Int(own), let kilobytes = fields["VmHWM"] else { return nil }
            return kilobytes << 10
        }.sorted(by: >)
    }

    /// The first number of each line of `/proc/PID/status`, by name.
    private static func fields(of text: String) -> [String: Int] {
        var result: [String: Int] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let first = parts[1].split(whereSeparator: \.isWhitespace).first else { continue }
            if let value = Int(first) { result[String(parts[0])] = value }
        }
        return result
    }
}
