import Program

extension WeightFactory {
    /// Group norm over whole pictures `[batch, Y, X, C]`, then SiLU ("Group Normalization", Wu and He 2018).
    ///
    /// `name` is that of the layer, whose `weight` and `bias` have an entry a channel.
    func groupNorm(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String, channels: Int, groups: Int, epsilon: Double
    ) -> Program.ValueID {
        let sizes = graph.type(of: x).sizes
        let count = sizes[1] * sizes[2] * (channels / groups)
        let weight = vector(&graph, "\(name).weight", channels, mean: 1)
        let bias = vector(&graph, "\(name).bias", channels)
        let sum = graph.add(.groupSum, [x], ["groups": .int(groups)])
        let squares = graph.add(.groupSquares, [x, sum], ["groups": .int(groups), "count": .int(count)])
        return graph.add(
            .groupNormalize, [x, sum, squares, weight, bias],
            ["groups": .int(groups), "count": .int(count), "eps": .float(epsilon), "activation": .text("silu")])
    }
}
