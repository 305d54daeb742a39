import Program
import Tensor

/// ``Opcode/reshape`` between any two boxes, as runs of elements that follow each other on both sides.
enum ReshapeKernel {
    /// Elements of one group of dimensions that follow each other in the operand's part and in the result's.
    private struct Run: BitwiseCopyable {
        var source: Int
        var destination: Int
        var count: Int
    }

    static func make(_ context: OperationContext) throws(KernelError) -> Kernel {
        let (x, out) = (context.operands[0], context.result)
        if x.buffer.box.isEmpty { throw KernelError("the operand's part is empty") }
        let size = out.dtype.byteCount
        var inner = (source: 1, destination: 1)
        var isDense = true
        // From the innermost group outwards: runs of a group, or of several where the inner ones are dense.
        var runs = [Run(source: 0, destination: 0, count: 1)]
        for group in ReshapeGroups(from: x.buffer.dims, to: out.sizes).groups.reversed() {
            let own = Self.runs(group, x.buffer, out.buffer)
            let local = (
                source: x.shape[group.operand].reduce(1, *), destination: out.shape[group.result].reduce(1, *)
            )
            guard own.reduce(0, { $0 + $1.count }) == local.destination else {
                throw KernelError("the operand does not hold what the result's part is made of")
            }
            runs =
                isDense
                ? own.map {
                    Run(
                        source: $0.source * inner.source, destination: $0.destination * inner.destination,
                        count: $0.count * inner.destination)
                }
                : outer(own, runs, inner)
            isDense = isDense && own.count == 1 && own[0].count == local.source && local.source == local.destination
            inner = (inner.source * local.source, inner.destination * local.destination)
        }
        let (all, pool) = (runs, context.pool)
        let average = max(1, out.count / max(1, all.count))
        if all.count == 1 {
            let copy = StridedCopy(
                extents: [all[0].count], sourceStrides: [size], destinationStrides: [size],
                sourceOffset: all[0].source * size, destinationOffset: all[0].destination * size,
                elementByteCount: size, memory: context.memory, threads: pool.threadCount)
            let (from, to) = (x.place, out.place)
            return { copy.run(pool, from: from.pointer, to: to.pointer) }
        }
        let captures = (context.memory.list(all), x.place, out.place, size)
        let grain = context.grain(rowElements: average)
        return {
            pool.blocks(captures.0.count, grain: grain, captures) { captured, part, _ in
                let (all, x, out, size) = captured.pointee
                let (from, to) = (x.pointer, out.pointer)
                for index in part {
                    let run = all[index]
                    (to + run.destination * size).copyMemory(
                        from: from + run.source * size, byteCount: run.count * size)
                }
            }
        }
    }

    /// Every element of the outer group with all runs below it.
    private static func outer(_ own: [Run], _ below: [Run], _ inner: (source: Int, destination: Int)) -> [Run] {
        own.flatMap { run in
            (0..<run.count).flatMap { index in
                below.map {
                    Run(
                        source: (run.source + index) * inner.source + $0.source,
                        destination: (run.destination + index) * inner.destination + $0.destination, count: $0.count)
                }
            }
        }
    }

    private static func runs(_ group: ReshapeGroups.Group, _ x: LocalBuffer, _ out: LocalBuffer) -> [Run] {
        let mine = stretches(x, group.operand)
        let theirs = stretches(out, group.result)
        var (i, j) = (0, 0)
        var runs: [Run] = []
        while i < mine.count, j < theirs.count {
            let (a, b) = (mine[i], theirs[j])
            let first = max(a.first, b.first)
            let end = min(a.first + a.count, b.first + b.count)
            if first < end {
                runs.append(
                    Run(source: a.local + first - a.first, destination: b.local + first - b.first, count: end - first))
            }
            let isFirstDone = a.first + a.count <= b.first + b.count
            if b.first + b.count <= a.first + a.count { j += 1 }
            if isFirstDone { i += 1 }
        }
        return runs
    }

    /// The stretches of row-major indices over some dimensions that a buffer's part is, and where each starts in it.
    private static func stretches(
        _ buffer: LocalBuffer, _ dims: Range<Int>
    ) -> [(first: Int, count: Int, local: Int)] {
        let sizes = buffer.dims[dims].map(\.size)
        let ranges = Array(buffer.box.ranges[dims])
        var last = ranges.count - 1
        while last > 0, ranges[last] == 0..<sizes[last] { last -= 1 }
        let inner = sizes[(last + 1)...].reduce(1, *)
        let count = ranges[last].count * inner
        var firsts = [0]
        for index in 0...last {
            let range = index == last ? ranges[index].lowerBound..<(ranges[index].lowerBound + 1) : ranges[index]
            firsts = firsts.flatMap { base in range.map { base * sizes[index] + $0 } }
        }
        return firsts.enumerated().map { (first: $1 * inner, count: count, local: $0 * count) }
    }
}
