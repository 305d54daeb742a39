import ArgumentParser
import Coordinator
import Foundation
import Program
import Sharding

/// Writes the texts of a plan's programs after every pass of the compiler.
enum PlanDump {
    /// Makes the folder where it is missing, and in it a folder for each program: `1-text/01-program.txt` and so on.
    ///
    /// - Returns: how many files it wrote.
    static func write(_ plan: PlannedRequest, mesh: Mesh, to path: String) throws -> Int {
        var count = 0
        for (index, planned) in plan.programs.enumerated() {
            let folder = URL(filePath: path).appending(path: "\(index + 1)-\(planned.program.name)")
            do {
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                try planned.dump(mesh: mesh) { (pass: String, text: String) throws in
                    try Data(text.utf8).write(to: folder.appending(path: "\(pass).txt"))
                    count += 1
                }
            } catch {
                throw OutputError(path: folder.path, reason: error.localizedDescription)
            }
        }
        return count
    }
}

/// A file that could not be written.
struct OutputError: Error, CustomStringConvertible {
    let path: String
    let reason: String

    var description: String { "cannot write '\(path)': \(reason); give a folder that can be written to" }
}
