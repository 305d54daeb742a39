public import Program
import Sharding

/// How long a call may take by the plan, on machines that are slower than any that is in order.
public enum CallPrediction {
    /// Floating-point operations a second; a core without vector instructions does more.
    static let slowestRate = 500_000_000
    /// Bytes a second between two workers.
    static let slowestLink = 1 << 20

    /// Time in which the busiest device does its work and sends its bytes.
    public static func longest(_ locals: [LocalProgram]) -> Duration {
        locals.map { local in
            .milliseconds(1000 * CostModel.flops(of: local) / slowestRate)
                + .milliseconds(1000 * CostModel.sentByteCount(of: local) / slowestLink)
        }.max() ?? .zero
    }
}
