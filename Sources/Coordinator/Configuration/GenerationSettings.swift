public import Models

/// What a picture is made with where its order says nothing; nil leaves it to the model.
public struct GenerationSettings: Sendable, Hashable {
    /// Decoding steps.
    public var steps: Int?
    /// Guidance scale; 1 and less: no guidance.
    public var guidanceScale: Float?
    /// How guidance goes over the steps.
    public var guidanceSchedule: GuidanceSchedule?
    /// Temperature of the first step; it falls as the model's does.
    public var temperature: Float?

    /// Makes settings.
    public init(
        steps: Int? = nil, guidanceScale: Float? = nil, guidanceSchedule: GuidanceSchedule? = nil,
        temperature: Float? = nil
    ) {
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.guidanceSchedule = guidanceSchedule
        self.temperature = temperature
    }

    /// Fills in what a request leaves open.
    public func complete(_ request: inout GenerationRequest) {
        request.steps = request.steps ?? steps
        request.guidanceScale = request.guidanceScale ?? guidanceScale
        request.guidanceSchedule = request.guidanceSchedule ?? guidanceSchedule
        request.temperature = request.temperature ?? temperature.map { TemperatureRange($0) }
    }
}
