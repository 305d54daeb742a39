import Program
import SwiftProtobuf
import Tensor

extension WireInstall {
    /// Encodes an installation.
    init(_ install: Install) {
        self.init()
        programKey = install.programKey
        program = WireLocalProgram(install.program)
        sources = install.sources.sorted { $0.key < $1.key }.map { WireNamedSource(name: $0.key, $0.value) }
    }

    /// Decodes an installation; every weight has a source.
    func value() throws(ProtocolError) -> Install {
        var named: [(name: String, value: ParameterSource)] = []
        for source in try Check.entries(sources, ProtocolLimits.programEntries, "weight sources") {
            named.append((try Check.required(source.name, "a weight's name"), try source.value()))
        }
        let program = try program.value()
        let sources = try Check.byName(named, "the list of weight sources")
        for slice in program.parameters where sources[slice.spec.name] == nil {
            throw ProtocolError(.missing, "the weight \(slice.spec.name) of program \(program.name) has no source")
        }
        return Install(
            programKey: try Check.required(programKey, "the program key"), program: program, sources: sources)
    }
}

extension WireNamedSource {
    /// Encodes a source.
    init(name: String, _ source: ParameterSource) {
        self.init()
        self.name = name
        switch source {
        case .file(let path, let offset, let dtype):
            file.path = path
            file.offset = UInt64(clamping: offset)
            file.dtype = dtype.rawValue
        case .generated(let seed):
            generated.seed = seed
        }
    }

    /// Decodes a source.
    func value() throws(ProtocolError) -> ParameterSource {
        switch source {
        case .file(let file):
            guard !file.path.isEmpty else { throw ProtocolError(.missing, "the source of \(name) has no path") }
            return .file(
                path: try Check.text(file.path, "the path of \(name)"),
                offset: try Check.count(file.offset, ProtocolLimits.memoryBytes, "the offset of \(name)"),
                dtype: try Check.word(file.dtype, "the element type of \(name)"))
        case .generated(let generated):
            return .generated(seed: generated.seed)
        case nil:
            throw ProtocolError(.missing, "the weight \(name) has no source")
        }
    }
}

extension WireRun {
    /// Encodes a call.
    init(_ run: Run) {
        self.init()
        call = run.call
        request = run.request
        slots = run.slots
        step = run.step
        programKey = run.programKey
        inputs = run.inputs.sorted { $0.key < $1.key }.map { input in
            var wire = WireNamedTensor()
            wire.name = input.key
            wire.tensor = WireTensor(input.value)
            return wire
        }
    }

    /// Decodes a call.
    func value() throws(ProtocolError) -> Run {
        var named: [(name: String, value: HostTensor)] = []
        for input in try Check.entries(inputs, ProtocolLimits.ports, "inputs") {
            let name = try Check.required(input.name, "an input's name")
            named.append((name, try input.tensor.value("input \(name)")))
        }
        return Run(
            call: call, request: request, slots: try Check.entries(slots, ProtocolLimits.slots, "slots"), step: step,
            programKey: try Check.required(programKey, "the program key"), inputs: try Check.byName(named, "the call"))
    }
}

extension WireRunResult {
    /// Encodes a result.
    init(_ result: RunResult) {
        self.init()
        call = result.call
        nanoseconds = result.duration.wireNanoseconds
        sentBytes = UInt64(clamping: result.sentByteCount)
        outputs = result.outputs.map { part in
            var wire = WireOutputPart()
            wire.name = part.name
            wire.box = WireBox(part.box)
            wire.dims = part.dims.map(UInt64.init)
            wire.tensor = WireTensor(part.tensor)
            return wire
        }
    }

    /// Decodes a result; each part lies inside its output and has its box's sizes.
    func value() throws(ProtocolError) -> RunResult {
        var parts: [OutputPart] = []
        for wire in try Check.entries(outputs, ProtocolLimits.ports, "outputs") {
            let name = try Check.required(wire.name, "an output's name")
            let dims = try Check.dims(wire.dims, "output \(name)")
            let box = try Check.box(wire.box, inside: dims, "output \(name)")
            let tensor = try wire.tensor.value("output \(name)")
            guard tensor.dims == box.dims else {
                throw ProtocolError(.bounds, "output \(name) has sizes \(tensor.dims) in a box of \(box.dims)")
            }
            parts.append(OutputPart(name: name, box: box, dims: dims, tensor: tensor))
        }
        return RunResult(
            call: call, outputs: parts, duration: try Check.duration(nanoseconds, "the duration of a call"),
            sentByteCount: try Check.count(sentBytes, ProtocolLimits.memoryBytes, "the count of sent bytes"))
    }
}

extension WireFailure {
    /// Encodes a failure; long messages are cut.
    init(_ failure: Failure) {
        self.init()
        code = String(failure.code.prefix(200))
        message = String(failure.message.prefix(ProtocolLimits.textBytes / 8))
        scope = String(failure.scope.prefix(200))
        instruction = failure.instruction.map { UInt32(clamping: $0 + 1) } ?? 0
        switch failure.subject {
        case .call(let number): call = number
        case .program(let key): programKey = key
        case .worker: subject = nil
        }
    }

    /// Decodes a failure.
    func value() throws(ProtocolError) -> Failure {
        let about: Failure.Subject
        switch subject {
        case .call(let number): about = .call(number)
        case .programKey(let key): about = .program(try Check.required(key, "the program key"))
        case nil: about = .worker
        }
        let position = try Check.count(instruction, ProtocolLimits.programEntries, "the instruction of a failure")
        return Failure(
            subject: about, code: try Check.required(code, "the code of a failure"),
            message: try Check.text(message, "the message of a failure"),
            scope: try Check.name(scope, "the scope of a failure"), instruction: position == 0 ? nil : position - 1)
    }
}

extension WireLoadProgress {
    /// Encodes a report.
    init(_ report: LoadProgress) {
        self.init()
        programKey = report.programKey
        phase = report.phase
        bytesDone = UInt64(clamping: report.bytesDone)
        bytesTotal = UInt64(clamping: report.bytesTotal)
    }

    /// Decodes a report.
    func value() throws(ProtocolError) -> LoadProgress {
        LoadProgress(
            programKey: try Check.required(programKey, "the program key"), phase: try Check.name(phase, "the phase"),
            bytesDone: try Check.count(bytesDone, ProtocolLimits.memoryBytes, "the count of loaded bytes"),
            bytesTotal: try Check.count(bytesTotal, ProtocolLimits.memoryBytes, "the count of bytes to load"))
    }
}

extension WireInstalled {
    /// Encodes a report.
    init(_ report: Installed) {
        self.init()
        programKey = report.programKey
        arenaBytes = UInt64(clamping: report.arenaByteCount)
        parameterBytes = UInt64(clamping: report.parameterByteCount)
    }

    /// Decodes a report.
    func value() throws(ProtocolError) -> Installed {
        Installed(
            programKey: try Check.required(programKey, "the program key"),
            arenaByteCount: try Check.count(arenaBytes, ProtocolLimits.memoryBytes, "the arena's size"),
            parameterByteCount: try Check.count(parameterBytes, ProtocolLimits.memoryBytes, "the weights' size"))
    }
}
