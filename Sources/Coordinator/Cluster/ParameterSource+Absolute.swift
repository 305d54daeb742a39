import Foundation
import Program

extension ParameterSource {
    /// The same with a path that does not depend on the folder in which a process runs: workers have others.
    var absolute: ParameterSource {
        guard case .file(let path, let offset, let dtype) = self, !path.hasPrefix("/") else { return self }
        return .file(path: FileManager.default.currentDirectoryPath + "/" + path, offset: offset, dtype: dtype)
    }
}
