import Foundation

enum Environment {
    /// Where tests leave the plan that they looked at, for people.
    static var dump: String? { ProcessInfo.processInfo.environment["TESSERA_DUMP_PLAN"] }
}
