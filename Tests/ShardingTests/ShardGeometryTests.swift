import Program
import Tensor
import Testing

@testable import Sharding

@Suite("Shard geometry")
struct ShardGeometryTests {
    @Test("16 heads over 3 devices are 6 + 5 + 5")
    func unevenHeads() {
        let model = AxisRef(axis: 0, preSize: 1, size: 3)
        var geometry = ShardGeometry(Mesh([.init("model", 3)]))
        let counts = (0..<3).map { geometry.granules(16, axes: [model])[$0].count }
        #expect(counts == [6, 5, 5])
    }

    @Test("Shares follow speeds; the slowest device at a coordinate counts")
    func speeds() {
        var geometry = ShardGeometry(Mesh([.init("model", 2)], speeds: [1, 2]))
        #expect(geometry.granules(16, axes: [AxisRef(axis: 0, preSize: 1, size: 2)])[0] == 0..<5)
        #expect(geometry.granules(16, axes: [AxisRef(axis: 0, preSize: 1, size: 2)])[1] == 5..<16)
        var square = ShardGeometry(Mesh([.init("guidance", 2), .init("model", 2)], speeds: [1, 2, 1, 1]))
        #expect(square.granules(16, axes: [AxisRef(axis: 1, preSize: 1, size: 2)])[1] == 8..<16)
    }

    @Test("Every granule has exactly one owner on every mesh, even with more devices than granules")
    func partition() {
        for devices in 1...9 {
            for granules in [1, 2, 5, 15, 16] {
                var geometry = ShardGeometry(Mesh([.init("model", devices)]))
                let model = AxisRef(axis: 0, preSize: 1, size: devices)
                let owned = geometry.granules(granules, axes: [model]).flatMap { Array($0) }
                #expect(owned == Array(0..<granules))
            }
        }
    }

    @Test("Two axes on one dimension cut it major to minor")
    func twoAxes() {
        var geometry = ShardGeometry(Mesh([.init("guidance", 2), .init("model", 2)]))
        let dims = [Dim(16, granule: 1)]
        let (guidance, model) = (AxisRef(0, of: geometry.mesh), AxisRef(1, of: geometry.mesh))
        let boxes = geometry.table[geometry.set(dims, Layout([[model, guidance]]))].boxes
        #expect(boxes.map { $0.ranges[0] } == [0..<4, 8..<12, 4..<8, 12..<16])
    }

    @Test("A window of a stride-2 convolution covers exactly the rows that are read")
    func window() {
        let down = Window(kernel: 3, stride: 2, padLow: 0, upsample: 1)
        #expect(down.operandRows(for: 4..<8, size: 32) == 8..<17)
        #expect(down.operandRows(for: 12..<16, size: 32) == 24..<32)
        let up = Window(kernel: 3, stride: 1, padLow: 1, upsample: 2)
        #expect(up.operandRows(for: 0..<4, size: 16) == 0..<3)
        #expect(up.operandRows(for: 4..<8, size: 16) == 1..<5)
        #expect(up.operandRows(for: 3..<3, size: 16).isEmpty)
    }
}
