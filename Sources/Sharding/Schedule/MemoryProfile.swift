import Program
import Tensor

/// Bytes that hold something while each item of a program runs, on a device that has the largest part of every buffer.
struct MemoryProfile {
    private let partitioned: PartitionedProgram
    private let fraction: Double
    /// By item, once ``fix()`` was called; until then by how much an item differs from the one before.
    private var bytes: [Int]
    /// What may be in use at any item, once ``fix()`` was called.
    private var limit = 0
    private var sizes: [Int]

    init(_ partitioned: PartitionedProgram, itemCount: Int, fraction: Double) {
        self.partitioned = partitioned
        self.fraction = fraction
        bytes = Array(repeating: 0, count: itemCount + 2)
        sizes = Self.byteCounts(of: partitioned)
    }

    /// Arena bytes of the largest part of each buffer; 0 for what does not lie in the arena.
    static func byteCounts(of partitioned: PartitionedProgram) -> [Int] {
        var largest: [Int: Int] = [:]
        return partitioned.buffers.map { buffer in
            switch buffer.kind {
            case .arena, .input: break
            case .parameter, .resident: return 0
            }
            let elements = largest[buffer.set] ?? buffer.boxes.reduce(0) { max($0, $1.elementCount) }
            largest[buffer.set] = elements
            let partials = buffer.nodes.map { nodes in nodes.reduce(0) { max($0, $1.count) } } ?? 1
            return elements * partials * buffer.type.dtype.byteCount
        }
    }

    /// Notes what a buffer takes.
    mutating func note(buffer: Int, _ items: Range<Int>) { note(sizes[buffer], items) }

    /// Notes what messages take.
    mutating func note(staging exchanges: [Int], _ items: Range<Int>) { note(staging(exchanges), items) }

    private mutating func note(_ count: Int, _ items: Range<Int>) {
        bytes[items.lowerBound] += count
        bytes[items.upperBound] -= count
    }

    /// Takes the busiest item of what was noted as the bound.
    mutating func fix() {
        for item in bytes.indices.dropFirst() { bytes[item] += bytes[item - 1] }
        limit = Int(Double(bytes.max() ?? 0) * fraction)
    }

    /// Adds what a moved exchange takes.
    mutating func add(_ count: Int, _ items: Range<Int>) {
        for item in items { bytes[item] += count }
    }

    func hasRoom(_ count: Int, at item: Int) -> Bool { bytes[item] + count <= limit }

    /// Staging bytes of exchanges that travel together.
    func staging(_ exchanges: [Int]) -> Int {
        exchanges.reduce(0) { sum, index in
            sum + partitioned.stagingByteCount(of: partitioned.exchanges[index], device: nil)
        }
    }

    /// Bytes of what exchanges send.
    func sources(_ exchanges: [Int]) -> Int { exchanges.reduce(0) { $0 + sizes[partitioned.exchanges[$1].source] } }
}
