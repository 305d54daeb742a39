import Tensor

/// Writes the local programs of all devices as one text: every device runs the same steps on its own boxes.
public struct PartitionedProgramPrinter: Sendable {
    private let locals: [LocalProgram]

    /// Makes a printer; the local programs of one compiled program, by device.
    public init(_ locals: [LocalProgram]) { self.locals = locals }

    /// Buffers with who holds which part, then the steps, with the payload bytes of all devices at each exchange.
    public var text: String {
        guard let first = locals.first else { return "" }
        var lines = ["partitioned \(ProgramText.quoted(first.name)) on \(locals.count) devices {"]
        for (index, buffer) in first.buffers.enumerated() {
            lines.append("  b\(index) : \(ProgramText.type(TensorType(buffer.dtype, buffer.dims))) \(parts(index))")
        }
        for instruction in first.instructions {
            switch instruction {
            case .compute(let compute): lines.append("  " + LocalProgramPrinter.compute(compute))
            case .exchangeStart(let index):
                for number in first.exchangeIndices(startedBy: index) {
                    let isCarried = number != index
                    let start = LocalProgramPrinter.start(number, first.exchanges[number], isCarried: isCarried)
                    lines.append("\(isCarried ? "    " : "  ")\(start)  // \(sentByteCount(number)) bytes")
                }
            case .exchangeFinish(let index): lines.append("  finish e\(index)")
            }
        }
        for output in first.outputs {
            lines.append("  output \(ProgramText.quoted(output.name)) = b\(output.buffer)")
        }
        return lines.joined(separator: "\n") + "\n}\n"
    }

    private func sentByteCount(_ index: Int) -> Int {
        locals.reduce(0) { sum, local in
            guard local.exchanges.indices.contains(index) else { return sum }
            let exchange = local.exchanges[index]
            return sum + exchange.sentByteCount(dtype: local.buffers[exchange.source].dtype)
        }
    }

    /// `[0:8, 0:64] on 0, 2; [8:16, 0:64] on 1, 3`.
    private func parts(_ index: Int) -> String {
        var order: [String] = []
        var holders: [String: [Int]] = [:]
        for local in locals where local.buffers.indices.contains(index) {
            let buffer = local.buffers[index]
            let part = ProgramText.box(buffer.box) + LocalProgramPrinter.nodes(buffer)
            if holders[part] == nil { order.append(part) }
            holders[part, default: []].append(local.device)
        }
        return order.map { "\($0) on \(Self.ranges(holders[$0] ?? []))" }.joined(separator: "; ")
    }

    /// `0-3, 8`.
    private static func ranges(_ devices: [Int]) -> String {
        var runs: [ClosedRange<Int>] = []
        for device in devices {
            if let last = runs.last, last.upperBound + 1 == device {
                runs[runs.count - 1] = last.lowerBound...device
            } else {
                runs.append(device...device)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ", ")
    }
}
