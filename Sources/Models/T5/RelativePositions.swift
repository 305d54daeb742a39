import Foundation
import Program
import Tensor

/// The buckets of relative positions of a bidirectional T5 encoder.
///
/// Half of the buckets is for keys after the query. Of each half, the first half holds one distance a bucket, the second
/// half widens logarithmically up to the greatest distance ("Exploring the Limits of Transfer Learning with a Unified
/// Text-to-Text Transformer", §2.1, and its code).
package struct RelativePositions {
    /// Buckets, both directions together.
    package let bucketCount: Int
    /// Distance from which on all positions share the last bucket.
    package let distanceMax: Int

    /// Makes a table.
    package init(bucketCount: Int, distanceMax: Int) {
        self.bucketCount = bucketCount
        self.distanceMax = distanceMax
    }

    /// Distances that have a bucket of their own, from 0 on.
    package var exactCount: Int { bucketCount / 4 }

    /// The smallest distance of each bucket after the first shared one.
    package var thresholds: [Int] {
        let (exact, steps) = (exactCount, bucketCount / 2 - exactCount)
        return (1..<steps).map { step in
            // floor(log(n / exact) / log(max / exact) · steps) reaches `step` at n = exact · (max / exact)^(step / steps).
            let ratio = Double(distanceMax) / Double(exact)
            let bound = Double(exact) * pow(ratio, Double(step) / Double(steps))
            let near = bound.rounded()
            // Powers that are whole numbers come out a last bit off.
            return Int(abs(bound - near) < 1e-9 * bound ? near : bound.rounded(.up))
        }
    }

    /// The bucket of a key `offset` positions after its query; the graph computes the same.
    package func bucket(_ offset: Int) -> Int {
        let distance = abs(offset)
        let bucket = min(distance, exactCount) + thresholds.count { distance >= $0 }
        return bucket + (offset > 0 ? bucketCount / 2 : 0)
    }

    /// Adds the buckets i32 `[S, S]` of all pairs (query, key).
    func buckets(_ graph: inout ProgramBuilder, length: Int) -> Program.ValueID {
        let type = TensorType(.i32, [Dim(length), Dim(length)])
        func number(_ value: Int) -> Program.ValueID { graph.constant(Double(value), type) }
        func binary(_ kind: String, _ a: Program.ValueID, _ b: Program.ValueID) -> Program.ValueID {
            graph.add(.binary, [a, b], ["kind": .text(kind)])
        }
        func indicator(_ a: Program.ValueID, _ direction: String, _ b: Program.ValueID) -> Program.ValueID {
            graph.add(.cast, [graph.add(.compare, [a, b], ["direction": .text(direction)])], dtype: .i32)
        }
        let offset = binary("subtract", graph.iota(dim: 1, type), graph.iota(dim: 0, type))
        let distance = binary("maximum", offset, binary("subtract", number(0), offset))
        var bucket = binary("minimum", distance, number(exactCount))
        for threshold in thresholds {
            bucket = binary("add", bucket, indicator(distance, "ge", number(threshold)))
        }
        let after = binary("multiply", indicator(offset, "gt", number(0)), number(bucketCount / 2))
        return binary("add", bucket, after)
    }
}
