import SwiftProtobuf

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension WireGenerate {
    /// Encodes an order.
    init(_ order: Generate) {
        self.init()
        job = order.job
        prompt = order.prompt
        negativePrompt = order.negativePrompt
        seed = order.seed
        steps = UInt32(clamping: order.steps)
        if let value = order.guidanceScale { guidanceScale = value }
        if let value = order.temperatureStart { temperatureStart = value }
        if let value = order.temperatureEnd { temperatureEnd = value }
        if let value = order.strength { strength = value }
        count = UInt32(clamping: order.count)
        width = UInt32(clamping: order.width)
        height = UInt32(clamping: order.height)
        image = Data(order.image)
        mask = Data(order.mask)
    }

    /// Decodes an order.
    ///
    /// What the values mean is checked by who runs it.
    func value() throws(ProtocolError) -> Generate {
        Generate(
            job: job, prompt: try Check.text(prompt, "the prompt", ProtocolLimits.promptBytes),
            negativePrompt: try Check.text(negativePrompt, "the negative prompt", ProtocolLimits.promptBytes),
            seed: seed, steps: try Check.count(steps, 1 << 16, "the step count"),
            guidanceScale: hasGuidanceScale ? try Check.finite(guidanceScale, "the guidance scale") : nil,
            temperatureStart: hasTemperatureStart ? try Check.finite(temperatureStart, "the temperature") : nil,
            temperatureEnd: hasTemperatureEnd ? try Check.finite(temperatureEnd, "the temperature") : nil,
            count: try Check.count(count, ProtocolLimits.pictures, "the picture count"),
            width: try Check.count(width, ProtocolLimits.pictureSide, "the width"),
            height: try Check.count(height, ProtocolLimits.pictureSide, "the height"), image: [UInt8](image),
            mask: [UInt8](mask), strength: hasStrength ? try Check.finite(strength, "the strength") : nil)
    }
}

extension WireProgress {
    /// Encodes a report.
    init(_ report: JobProgress) {
        self.init()
        job = report.job
        phase = report.phase
        done = UInt64(clamping: report.done)
        total = UInt64(clamping: report.total)
        nanosecondsLeft = report.timeLeft.map { max(1, $0.wireNanoseconds) } ?? 0
    }

    /// Decodes a report.
    func value() throws(ProtocolError) -> JobProgress {
        let left = try Check.duration(nanosecondsLeft, "the time left")
        return JobProgress(
            job: job, phase: try Check.name(phase, "the phase"),
            done: try Check.count(done, ProtocolLimits.memoryBytes, "the count of steps done"),
            total: try Check.count(total, ProtocolLimits.memoryBytes, "the count of steps"),
            timeLeft: left == .zero ? nil : left)
    }
}

extension WirePictures {
    /// Encodes pictures.
    init(_ pictures: Pictures) {
        self.init()
        job = pictures.job
        files = pictures.files.map { Data($0) }
        warnings = pictures.warnings
    }

    /// Decodes pictures.
    func value() throws(ProtocolError) -> Pictures {
        var sentences: [String] = []
        for warning in try Check.entries(warnings, ProtocolLimits.attributes, "warnings") {
            sentences.append(try Check.text(warning, "a warning"))
        }
        return Pictures(
            job: job, files: try Check.entries(files, ProtocolLimits.pictures, "pictures").map { [UInt8]($0) },
            warnings: sentences)
    }
}

extension WireClientError {
    /// Encodes an error; long messages are cut.
    init(_ error: ClientError) {
        self.init()
        job = error.job
        code = String(error.code.prefix(200))
        message = String(error.message.prefix(ProtocolLimits.textBytes / 8))
    }

    /// Decodes an error.
    func value() throws(ProtocolError) -> ClientError {
        ClientError(
            job: job, code: try Check.required(code, "the code of an error"),
            message: try Check.text(message, "the message of an error"))
    }
}

extension WireStatus {
    /// Encodes a status.
    init(_ status: ClusterStatus) {
        self.init()
        cluster = status.cluster
        state = status.state
        queued = UInt32(clamping: status.queued)
        reason = String(status.reason.prefix(ProtocolLimits.textBytes / 8))
        epoch = status.epoch
        workers = status.workers.map { worker in
            var wire = WireWorkerStatus()
            wire.name = worker.name
            if let rank = worker.rank { wire.rank = UInt32(clamping: rank) }
            wire.state = worker.state
            wire.host = worker.host
            wire.processID = UInt32(clamping: worker.processID)
            wire.steps = worker.steps
            wire.memoryLimitBytes = UInt64(clamping: worker.memoryLimit ?? 0)
            wire.restarts = UInt32(clamping: worker.restarts)
            if let report = worker.report { wire.report = WireWorkerReport(report) }
            return wire
        }
    }

    /// Decodes a status.
    func value() throws(ProtocolError) -> ClusterStatus {
        var entries: [ClusterStatus.Worker] = []
        for wire in try Check.entries(workers, ProtocolLimits.devices, "workers") {
            let limit = try Check.count(wire.memoryLimitBytes, ProtocolLimits.memoryBytes, "a memory limit")
            entries.append(
                .init(
                    name: try Check.required(wire.name, "a worker's name"),
                    rank: wire.hasRank ? try Check.count(wire.rank, ProtocolLimits.devices, "a rank") : nil,
                    state: try Check.name(wire.state, "a worker's state"),
                    host: try Check.name(wire.host, "a host name"), processID: Int(wire.processID), steps: wire.steps,
                    memoryLimit: limit == 0 ? nil : limit, restarts: Int(wire.restarts),
                    report: wire.hasReport ? try wire.report.value() : nil))
        }
        return ClusterStatus(
            cluster: try Check.name(cluster, "the cluster's name"), state: try Check.name(state, "the cluster's state"),
            workers: entries, queued: Int(queued), reason: try Check.text(reason, "the reason"), epoch: epoch)
    }
}
