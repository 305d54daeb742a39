import Glibc
public import Program
public import Tensor

extension MuseModel {
    /// Writes the model to a folder that does not exist yet: configurations, and a `model.safetensors` for each part.
    ///
    /// - Parameters:
    ///   - dtype: element type of the files, f32 or bf16; in bf16 what bf16 programs keep in f32 (vectors, positions, the
    ///     picture tokenizer's codes) stays f32, so that nothing is lost on them.
    ///   - progress: told how many bytes of weights of how many are written.
    ///   - values: a weight's values in an element type, dense in ``ParameterSpec/fileDims``.
    /// - Throws: ``CheckpointError`` and what `values` throws.
    public func save(
        to folder: String, dtype: DType, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in },
        values: (ParameterSpec, DType) throws -> [UInt8]
    ) throws {
        try Self.makeFolder(folder)
        let halfTypes = halfTypes
        let specs = parameters.values.sorted { $0.tensor < $1.tensor }
        func fileType(_ spec: ParameterSpec) -> DType { dtype == .bf16 ? halfTypes[spec.name] ?? .f32 : .f32 }
        let total = specs.reduce(0) { $0 + $1.fileDims.reduce(fileType($1).byteCount, *) }
        var done = 0
        progress(0, total)
        for part in MuseConfiguration.parts {
            try Self.makeFolder("\(folder)/\(part)")
            let own = specs.filter { $0.part == part }
            let tensors = own.map { spec in
                SafetensorsWriter.Tensor(
                    name: spec.tensor, dtype: fileType(spec), dims: spec.fileDims)
            }
            let writer = try SafetensorsWriter(path: "\(folder)/\(part)/model.safetensors", tensors: tensors)
            for (spec, tensor) in zip(own, tensors) {
                let bytes = try values(spec, tensor.dtype)
                try writer.append(bytes)
                done += bytes.count
                progress(done, total)
            }
        }
        for (name, text) in configuration.files { try Self.write(text, to: "\(folder)/\(name)") }
    }

    private static func makeFolder(_ path: String) throws(CheckpointError) {
        guard mkdir(path, 0o755) == 0 else { throw .file(path: path, problem: String(cString: strerror(errno))) }
    }

    private static func write(_ text: String, to path: String) throws(CheckpointError) {
        guard let file = fopen(path, "wx") else {
            throw .file(path: path, problem: String(cString: strerror(errno)))
        }
        let count = text.utf8.count
        let written = text.withCString { fwrite($0, 1, count, file) }
        guard fclose(file) == 0, written == count else {
            throw .file(path: path, problem: String(cString: strerror(errno)))
        }
    }
}
