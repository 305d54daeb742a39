import Models

/// Pictures that one call of a step program can take together.
struct StepGroup: Hashable, Sendable {
    var role: ProgramRole
    var isGuided: Bool
    var rows: Int
    var columns: Int

    /// True where only the conditional half is computed, of pictures that have both.
    var isConditional: Bool { if case .conditionalStep = role { true } else { false } }

    /// Where the randomness comes from.
    var noise: SamplingNoise {
        switch role {
        case .step(let noise), .conditionalStep(let noise): noise
        case .decode, .encode, .text: .none
        }
    }

    /// The shape of a program for so many of them.
    func shape(pictures: Int) -> GenerationShape {
        GenerationShape(pictures: pictures, isGuided: isGuided, rows: rows, columns: columns)
    }
}

/// What steps of each size have taken, smoothed.
struct BatchCosts {
    private struct Key: Hashable {
        var group: StepGroup
        var pictures: Int
    }

    /// Weight of a new measurement.
    private static let gain = 0.25
    /// A smaller batch must be cheaper by so much a picture to be preferred.
    private static let margin = 0.05

    private var seconds: [Key: Double] = [:]
    private var latest: [StepGroup: Int] = [:]

    /// Notes a step.
    mutating func add(_ group: StepGroup, pictures: Int, seconds new: Double) {
        let key = Key(group: group, pictures: pictures)
        // A program's first call makes what is made on first use, so it is replaced by the second.
        seconds[key] = seconds[key].map { $0 > 2 * new ? new : $0 + Self.gain * (new - $0) } ?? new
        latest[group] = pictures
    }

    /// Seconds of a step of the size that ran last; nil: none has run.
    func seconds(of group: StepGroup) -> Double? {
        latest[group].flatMap { seconds[Key(group: group, pictures: $0)] }
    }

    /// The size that does most pictures a second: the largest, unless a smaller one was measured to be cheaper a picture.
    ///
    /// - Parameter sizes: at least one.
    func best(of sizes: [Int], for group: StepGroup) -> Int {
        var best = sizes.max() ?? 1
        for size in sizes.sorted(by: >) {
            guard let new = perPicture(group, size), let old = perPicture(group, best) else { continue }
            if new < old * (1 - Self.margin) { best = size }
        }
        return best
    }

    private func perPicture(_ group: StepGroup, _ pictures: Int) -> Double? {
        seconds[Key(group: group, pictures: pictures)].map { $0 / Double(pictures) }
    }
}
