import Models

/// What the scheduler does next.
enum ScheduledTurn {
    /// Decode pictures whose steps are done.
    case decode([ScheduledPicture])
    /// Turn the picture to be edited into tokens.
    case encode(ScheduledPicture)
    /// Decode what pictures would be now: the oldest preview of each.
    case preview([ScheduledPicture])
    /// Make a step.
    case step(StepGroup, [ScheduledPicture])
    /// Read a picture's prompt.
    case text(ScheduledPicture)
}

extension DecodingScheduler {
    /// The next call; nil: there is nothing to do.
    ///
    /// What steps wait for comes first, because it fills batches, then what is finished, then previews, then steps; but
    /// while pictures could step, not more of it than ``stallLimit`` at a time.
    func nextTurn() -> ScheduledTurn? {
        let live = pictures.filter { !$0.order.isOver }
        for picture in live { start(picture) }
        let step = nextStep(live)
        if step == nil || stall < Self.stallLimit {
            if let turn = preparation(live) {
                stall += 1
                return turn
            }
            if let turn = decoding(live) {
                stall += 4
                return turn
            }
        }
        if step != nil { stall = 0 }
        return step
    }

    private func preparation(_ live: [ScheduledPicture]) -> ScheduledTurn? {
        for picture in live where picture.phase == .active {
            if picture.order.texts[picture.prompt] == nil { return .text(picture) }
            if picture.state == nil && picture.order.needsSource { return .encode(picture) }
        }
        return nil
    }

    private func decoding(_ live: [ScheduledPicture]) -> ScheduledTurn? {
        if let finished = together(live.filter { $0.phase == .stepped && $0.previews.isEmpty }) {
            return .decode(finished)
        }
        if let previews = together(live.filter { !$0.previews.isEmpty }) { return .preview(previews) }
        return nil
    }

    /// As many as one decoder call takes of those with the first one's size.
    private func together(_ candidates: [ScheduledPicture]) -> [ScheduledPicture]? {
        guard let first = candidates.first(where: \.isAlone) ?? candidates.first else { return nil }
        if first.isAlone { return [first] }
        let plan = first.order.plan
        let same = candidates.filter {
            !$0.isAlone && $0.order.plan.rows == plan.rows && $0.order.plan.columns == plan.columns
        }
        let size = sizes(.decode, plan.shape(pictures: 1).shape(of: .decode), wanted: same.count).max() ?? 1
        return Array(same.prefix(size))
    }

    /// A step of the group that has waited longest.
    private func nextStep(_ live: [ScheduledPicture]) -> ScheduledTurn? {
        var groups: [StepGroup: [ScheduledPicture]] = [:]
        var order: [StepGroup] = []
        for picture in live {
            guard let group = picture.group else { continue }
            if groups[group] == nil { order.append(group) }
            groups[group, default: []].append(picture)
        }
        guard let group = order.min(by: { lastTurns[$0, default: 0] < lastTurns[$1, default: 0] }),
            let members = groups[group]
        else { return nil }
        // Groups that are empty now are forgotten.
        lastTurns = lastTurns.filter { groups[$0.key] != nil }
        turnNumber += 1
        lastTurns[group] = turnNumber
        if let alone = members.first(where: \.isAlone) { return .step(group, [alone]) }
        let known = sizes(group.role, group.shape(pictures: 1), wanted: members.count)
        return .step(group, Array(members.prefix(costs.best(of: known, for: group))))
    }

    /// Sizes of a program that are installed, up to those that are wanted; asks for the largest where it is missing.
    private func sizes(_ role: ProgramRole, _ shape: GenerationShape, wanted: Int) -> [Int] {
        var shape = shape
        shape.pictures = min(wanted, batchLimit)
        let known = programs.sizes(of: role, shape: shape, limit: shape.pictures)
        if known.last != shape.pictures { grow(.init(role: role, shape: shape)) }
        return known.isEmpty ? [1] : known
    }

    /// Gives a picture its tokens before the first step, once everything for them is there.
    private func start(_ picture: ScheduledPicture) {
        guard picture.phase == .active else { return }
        let order = picture.order
        if picture.state == nil, !order.needsSource {
            picture.state = StepInputs.start(
                order.plan, noise: order.noise, picture: picture.index, source: order.source ?? [],
                maskToken: model.maskToken)
        }
        if picture.state?.nextStep == order.plan.stepCount { picture.phase = .stepped }
    }
}
