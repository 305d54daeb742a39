/// Words, for somebody who meets them for the first time.
extension PlanPage {
    var glossarySection: Markup {
        .element(
            "section", ["id": "glossary", "aria-labelledby": "glossary-title"],
            [
                .element("h2", ["id": "glossary-title"], "Words"),
                .element(
                    "p",
                    "The model is written once, as if for one machine. A few of its tensors carry names such as heads or "
                        + "mlp; the cluster file says which of these are split over which machines; everything else on this "
                        + "page follows from that. The method is known as GSPMD."),
                .element(
                    "dl", ["class": "glossary"],
                    Self.glossary.map { .element("div", [.element("dt", $0.word), .element("dd", $0.meaning)]) }),
            ])
    }

    private static let glossary: [(word: String, meaning: String)] = [
        ("Activations", "The intermediate results of a program, which live only while it runs."),
        (
            "Annotation",
            "A name that the model gives to a dimension of a tensor, such as heads. The only thing about splitting that is "
                + "written down by hand."
        ),
        (
            "Collective",
            "A point at which several workers exchange parts of a tensor. The compiler puts them where they are needed."
        ),
        ("FLOP", "One addition or multiplication of numbers; GFLOP are a thousand million of them."),
        ("Granule", "The smallest piece that a dimension may be cut into: one attention head, one row of tokens."),
        (
            "Guidance",
            "The model looks at the picture twice, with the prompt and without, and the difference is amplified. The two "
                + "halves can run on different workers."
        ),
        (
            "Link", "One direction between two workers. Two workers that send each other something use two links."
        ),
        (
            "Mesh",
            "The workers, arranged as a grid with named axes. A rule says: split this dimension along that axis."
        ),
        ("Override", "A line of the cluster file that says for single weights how they are split."),
        (
            "Partial result",
            "When a sum is split, each worker adds up its part; the parts are then added in an order that is always the "
                + "same, so that the picture does not depend on the mesh."
        ),
        (
            "Propagation",
            "How annotations spread: if the weights of a product are split, its result is split alike, and what follows it "
                + "too. tessera plan --explain NAME shows the way to any tensor."
        ),
        ("Replicated", "Held whole by several workers."),
        ("Rule", "A line of the cluster file that maps an annotation to axes of the mesh: heads: model."),
        ("Slice, shard", "The part of a tensor that one worker holds."),
        (
            "Step",
            "Pictures are made of tokens, small squares out of a fixed set. All begin hidden; each step proposes all and "
                + "keeps those that it is surest of."
        ),
        ("Tensor", "A block of numbers with dimensions: a weight, or an intermediate result."),
        ("Weights", "The numbers that the model has learned. They are loaded once and stay."),
        (
            "Worker, device",
            "A process on one of the machines. Its number, the rank, follows from its place in the mesh."
        ),
    ]
}
