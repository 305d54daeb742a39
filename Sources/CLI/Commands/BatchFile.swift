import ArgumentParser
import Foundation
import Protocol
import Server

/// The orders of a JSON Lines file, all checked.
struct BatchFile {
    /// A picture to make.
    struct Order {
        /// The picture's file name without its extension.
        var name: String
        /// What the cluster is asked for.
        var order: Generate
    }

    /// One for each line that is not blank, in the file's order.
    let orders: [Order]

    /// Bytes that a file may have.
    private static let byteCountMax = 16 << 20
    /// Problems that are reported at most.
    private static let problemsMax = 20

    /// Reads a file; throws `ValidationError` with everything that is wrong, each with its line.
    init(path: String) throws {
        let url = URL(filePath: path)
        let data: Data
        do {
            let size = try url.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
            guard size <= Self.byteCountMax else {
                throw ValidationError("'\(path)' has \(size) bytes; a file of orders has at most \(Self.byteCountMax).")
            }
            data = try Data(contentsOf: url)
        } catch let error as ValidationError {
            throw error
        } catch {
            throw ValidationError("'\(path)' cannot be read: \(error.localizedDescription)")
        }
        var orders: [Order] = []
        var problems: [String] = []
        var lineOfName: [String: Int] = [:]
        let folder = url.deletingLastPathComponent()
        for (index, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            do {
                let order = try BatchLine(line, number: index + 1).order(folder: folder)
                if let other = lineOfName.updateValue(index + 1, forKey: order.name) {
                    problems.append("\(path):\(index + 1): the name '\(order.name)' is that of line \(other) too.")
                }
                orders.append(order)
            } catch {
                problems.append("\(path):\(index + 1): \(error)")
            }
        }
        if orders.isEmpty && problems.isEmpty {
            problems.append("'\(path)' holds no orders: write one a line, such as {\"prompt\": \"a red fox\"}.")
        }
        guard problems.isEmpty else {
            let more = problems.count - Self.problemsMax
            throw ValidationError(
                (problems.prefix(Self.problemsMax) + (more > 0 ? ["and \(more) more."] : [])).joined(separator: "\n"))
        }
        self.orders = orders
    }
}
