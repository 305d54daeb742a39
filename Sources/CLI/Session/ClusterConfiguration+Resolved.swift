import Coordinator
import Foundation
import Sharding

extension ClusterConfiguration {
    /// The configuration with the mesh that `mesh: auto` stands for; says what was chosen.
    func resolvedForStart() throws -> ClusterConfiguration {
        let (configuration, choice) = try resolvedWithProgress()
        if let choice {
            Terminal.shared.note(
                "chosen mesh: \(choice.best.title) on \(choice.best.workers.joined(separator: ", ")); 'tessera plan' says "
                    + "why")
        }
        return configuration
    }

    /// As `resolved(pictures:progress:)`; the search for a mesh shows how far it is.
    func resolvedWithProgress(
        pictures: Int? = nil
    ) throws -> (configuration: ClusterConfiguration, choice: MeshChoice?) {
        let progress = Progress()
        defer { progress.finish() }
        return try resolved(pictures: pictures) { progress.compared($0, of: $1) }
    }
}

extension MeshChoice {
    /// The JSON text of a plan with the choice under `choice`.
    func merged(into plan: String) throws -> String {
        let encoder = JSONEncoder()
        let own = try JSONSerialization.jsonObject(with: encoder.encode(self))
        guard var object = try JSONSerialization.jsonObject(with: Data(plan.utf8)) as? [String: Any] else {
            return plan
        }
        object["choice"] = own
        let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try JSONSerialization.data(withJSONObject: object, options: options), as: UTF8.self)
    }
}
