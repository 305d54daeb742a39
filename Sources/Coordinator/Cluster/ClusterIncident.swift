/// The loss of a worker that was awaited again.
public struct ClusterIncident: Sendable, Hashable {
    /// The worker's name.
    public var worker: String
    /// Its rank.
    public var rank: Int
    /// Part of a sentence after its name ("ended with signal 9").
    public var loss: String
    /// What it was doing ("running step (request 7, step 3)").
    public var doing: String
    /// Time since it was lost.
    public var age: Duration
    /// How long the cluster took no orders because of it; nil: it still does not.
    public var absence: Duration?

    /// Makes an entry.
    public init(
        worker: String, rank: Int, loss: String, doing: String, age: Duration, absence: Duration? = nil
    ) {
        self.worker = worker
        self.rank = rank
        self.loss = loss
        self.doing = doing
        self.age = age
        self.absence = absence
    }
}

extension Cluster {
    /// Losses that are remembered.
    private static let incidentLimit = 32

    /// The last losses, oldest first.
    public var incidents: [ClusterIncident] {
        let now = now
        return losses.map { loss in
            var incident = loss.incident
            incident.age = now - loss.since
            return incident
        }
    }

    /// Remembers a loss.
    func note(_ incident: ClusterIncident) {
        losses.append((now, incident))
        losses.removeFirst(max(0, losses.count - Self.incidentLimit))
    }

    /// Orders can be given again.
    func noteReturn() {
        for index in losses.indices where losses[index].incident.absence == nil {
            losses[index].incident.absence = now - losses[index].since
        }
    }
}
