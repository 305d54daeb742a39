import Program
import Sharding
import Yams

extension ClusterConfiguration {
    /// Reads and checks a cluster file.
    ///
    /// A setting on the command line (`flags`: key paths and values) wins over the file, the file over the environment.
    /// Relative paths in the file count from its folder. Throws ``ConfigurationError`` with every problem at once.
    public static func load(
        path: String, environment: [String: String] = [:], flags: [String: String] = [:]
    ) throws(ConfigurationError) -> ClusterConfiguration {
        func unreadable(_ why: String) -> ConfigurationError {
            ConfigurationError(
                file: path, source: "",
                problems: [ConfigurationProblem(location: .file, keyPath: "", message: "cannot be read: \(why)")])
        }
        let bytes: [UInt8]
        switch BoundedFile.read(path, byteCountMax: ConfigurationSource.byteCountMax) {
        case .success(let contents): bytes = contents
        case .failure(let failure): throw unreadable(failure.description)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw unreadable("it is not UTF-8 text") }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        return try parse(text, file: path, folder: folder, environment: environment, flags: flags, checksFiles: true)
    }

    /// Checks the text of a cluster file; `file` is its name in messages.
    ///
    /// With `checksFiles` a model folder must exist. Throws ``ConfigurationError`` with every problem at once.
    public static func parse(
        _ text: String, file: String = "cluster.yaml", folder: String = "", environment: [String: String] = [:],
        flags: [String: String] = [:], checksFiles: Bool = false
    ) throws(ConfigurationError) -> ClusterConfiguration {
        let (root, problems) = ConfigurationSource.compose(text)
        let reader = ConfigurationReader(environment: environment, flags: flags)
        reader.note(problems)
        var result: ClusterConfiguration?
        if problems.isEmpty {
            let decoder = ConfigurationDecoder(
                reader: reader, file: file, folder: folder, checksFiles: checksFiles)
            result = decoder.configuration(root)
            reader.noteUnusedFlags()
        }
        let sorted = reader.problems.enumerated().sorted {
            ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
        }
        .map(\.element)
        guard var result, sorted.allSatisfy({ $0.severity == .warning }) else {
            throw ConfigurationError(file: file, source: text, problems: sorted)
        }
        result.warnings = sorted
        result.places = reader.places
        result.places.file = file
        result.source = text
        return result
    }
}

extension ConfigurationProblem {
    /// Sorts by place: the file's text from top to bottom, then everything else.
    var order: Int {
        if case .text(let line, let column, _) = location { return line << 20 | min(column, 1 << 20 - 1) }
        return .max
    }
}
