import Models
import Tensor

extension DecodingScheduler {
    /// Makes a call, and deals with what comes of it.
    func perform(_ turn: ScheduledTurn) async {
        do {
            switch turn {
            case .decode(let pictures): try await decode(pictures)
            case .encode(let picture): try await encode(picture)
            case .preview(let pictures): try await preview(pictures)
            case .step(let group, let pictures): try await step(group, pictures)
            case .text(let picture): try await text(picture)
            }
            recoveries = 0
            for picture in turn.pictures { picture.isAlone = false }
        } catch {
            await failed(turn.pictures, error)
        }
    }

    /// A call has failed: the devices are brought back where that can be done; else a picture by itself ends its request,
    /// and pictures together go on one by one, so that only the one at fault does.
    private func failed(_ pictures: [ScheduledPicture], _ error: any Error) async {
        // Those that are given up have no say.
        if pictures.allSatisfy(\.order.isOver) { return }
        if recoveries < Self.recoveryLimit, await runner.recover(from: error) {
            recoveries += 1
            // Every picture goes on from its state, on devices that know none of the texts.
            for order in orders {
                for number in order.texts.values { drop(text: number) }
                order.texts = [:]
            }
            return
        }
        if pictures.count > 1 {
            for picture in pictures { picture.isAlone = true }
        } else {
            for picture in pictures { picture.order.failure = error }
        }
    }

    private func text(_ picture: ScheduledPicture) async throws {
        let (order, number) = (picture.order, textNumber())
        let shape = order.plan.shape(pictures: 1).shape(of: .text)
        do {
            _ = try await call(
                .text, .text, shape, for: [picture], request: number,
                inputs: StepInputs.text(order.plan, prompt: picture.prompt, model: model))
        } catch {
            drop(text: number)
            throw error
        }
        order.texts[picture.prompt] = number
    }

    private func encode(_ picture: ScheduledPicture) async throws {
        let order = picture.order
        guard let editing = order.plan.request.editing else { return }
        let shape = order.plan.shape(pictures: 1).shape(of: .encode)
        let plan = order.plan
        // Resizing takes a while; requests come and go meanwhile.
        async let inputs = StepInputs.source(plan, image: editing.image)
        let number = order.texts[picture.prompt] ?? textNumber()
        let outputs = try await call(.encode, .encode, shape, for: [picture], request: number, inputs: await inputs)
        order.source = try integers(outputs, "tokens", dims: [1, shape.rows, shape.columns])
    }

    private func step(_ group: StepGroup, _ pictures: [ScheduledPicture]) async throws {
        let shape = group.shape(pictures: pictures.count)
        let texts = pictures.compactMap { $0.order.texts[$0.prompt] }
        let inputs = StepInputs.step(group, pictures, model: model)
        let start = now()
        let outputs = try await call(
            .step, group.role, shape, for: pictures, request: texts[0], slots: texts, inputs: inputs)
        let end = now()
        let dims = [pictures.count, group.rows, group.columns]
        let tokens = try integers(outputs, "tokens", dims: dims)
        var sampled: [Int32]?
        let seconds = (end - start) / .seconds(1)
        costs.add(group, pictures: pictures.count, seconds: seconds)
        for (row, picture) in pictures.enumerated() {
            let range = (row * shape.tokenCount)..<((row + 1) * shape.tokenCount)
            guard var state = picture.state else { continue }
            state.tokens = Array(tokens[range])
            state.nextStep += 1
            picture.state = state
            let plan = picture.order.plan
            if state.nextStep == plan.stepCount { picture.phase = .stepped }
            if let interval = plan.request.previewInterval, state.nextStep % interval == 0,
                state.nextStep < plan.stepCount
            {
                let all = try sampled ?? integers(outputs, "sampled", dims: dims)
                sampled = all
                picture.previews.append(Array(all[range]))
            }
        }
        tell(pictures, outputs, seconds: seconds, start: start, end: end)
    }

    /// Tells each request of its pictures' step.
    private func tell(
        _ pictures: [ScheduledPicture], _ outputs: [String: HostTensor], seconds: Double, start: Duration, end: Duration
    ) {
        var told: Set<UInt64> = []
        for order in pictures.map(\.order) where told.insert(order.number).inserted && !order.isOver {
            let rows = pictures.indices.filter { pictures[$0].order === order }
            order.timer.add(steps: rows.count, from: start, to: end)
            order.events.yield(
                .stepped(
                    StepProgress(
                        done: order.timer.done, total: order.timer.total, seconds: seconds,
                        secondsLeft: order.timer.secondsLeft, states: rows.compactMap { pictures[$0].state },
                        outputs: rows.count == pictures.count ? outputs : outputs.mapValues { $0.rows(rows) })))
        }
    }

    private func preview(_ pictures: [ScheduledPicture]) async throws {
        let made = try await pixels(of: pictures.map { $0.previews[0] }, pictures, .preview)
        for (picture, made) in zip(pictures, made) {
            picture.previews.removeFirst()
            picture.order.events.yield(.preview(picture: picture.index, pixels: made.pixels))
        }
    }

    private func decode(_ pictures: [ScheduledPicture]) async throws {
        let made = try await pixels(of: pictures.map { $0.state?.tokens ?? [] }, pictures, .decode)
        for (picture, made) in zip(pictures, made) {
            picture.phase = .finished
            picture.order.events.yield(.finished(made))
            self.pictures.removeAll { $0 === picture }
        }
    }

    /// Decodes token ids [rows, columns] of pictures.
    private func pixels(
        of tokens: [[Int32]], _ pictures: [ScheduledPicture], _ activity: SchedulerReport.Activity
    ) async throws -> [GeneratedPicture] {
        let plan = pictures[0].order.plan
        let shape = plan.shape(pictures: pictures.count).shape(of: .decode)
        let outputs = try await call(
            activity, .decode, shape, for: pictures, request: 0,
            inputs: ["tokens": HostTensor(tokens.flatMap { $0 }, dims: [shape.pictures, shape.rows, shape.columns])])
        let dims = [shape.pictures, plan.height, plan.width, 3]
        guard let pixels = outputs["pixels"], pixels.dtype == .u8, pixels.dims == dims else {
            throw DecodingLoopError.output(program: "decode", name: "pixels", wanted: "u8\(dims)")
        }
        return pictures.enumerated().map { row, picture in
            GeneratedPicture(
                index: picture.index, prompt: picture.order.plan.request.prompts[picture.prompt],
                tokens: HostTensor(tokens[row], dims: [shape.rows, shape.columns]), pixels: pixels.element(row),
                unclipped: outputs["image"].map { $0.element(row) })
        }
    }

    private func integers(_ outputs: [String: HostTensor], _ name: String, dims: [Int]) throws -> [Int32] {
        guard let tensor = outputs[name], tensor.dtype == .i32, tensor.dims == dims else {
            throw DecodingLoopError.output(program: "step or encode", name: name, wanted: "i32\(dims)")
        }
        return tensor.integers
    }
}

extension ScheduledTurn {
    /// Those it is for.
    var pictures: [ScheduledPicture] {
        switch self {
        case .decode(let pictures), .preview(let pictures), .step(_, let pictures): pictures
        case .encode(let picture), .text(let picture): [picture]
        }
    }
}

extension HostTensor {
    /// One element along the first dimension.
    fileprivate func element(_ index: Int) -> HostTensor {
        let count = bytes.count / dims[0]
        return HostTensor(
            dtype: dtype, dims: Array(dims.dropFirst()), bytes: Array(bytes[(index * count)..<((index + 1) * count)]))
    }

    /// Some elements along the first dimension.
    fileprivate func rows(_ indices: [Int]) -> HostTensor {
        let count = bytes.count / dims[0]
        return HostTensor(
            dtype: dtype, dims: [indices.count] + dims.dropFirst(),
            bytes: indices.flatMap { bytes[($0 * count)..<(($0 + 1) * count)] })
    }
}
