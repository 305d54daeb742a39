extension RecordedNoise {
    /// Throws ``DecodingLoopError`` where counts do not fit.
    func check(_ plan: GenerationPlan, codebookSize: Int) throws(DecodingLoopError) {
        let steps = plan.stepCount - plan.startStep
        let positions = plan.pictureCount * plan.tokenCount
        guard exponential.count >= steps, exponential.allSatisfy({ $0.count == positions * codebookSize }) else {
            throw .recordedNoise("token noise must be \(steps) times \(positions) x \(codebookSize) numbers")
        }
        guard gumbel.count >= steps - 1, gumbel.allSatisfy({ $0.count == positions }) else {
            throw .recordedNoise("confidence noise must be \(steps - 1) times \(positions) numbers")
        }
        if let hiding, hiding.count != plan.tokenCount {
            throw .recordedNoise("hiding noise must be \(plan.tokenCount) numbers")
        }
    }
}

extension DecodingState {
    /// Throws ``DecodingLoopError`` where the state is not one of this request.
    func check(_ plan: GenerationPlan) throws(DecodingLoopError) {
        guard (0..<plan.pictureCount).contains(picture) else {
            throw .state("its picture is not among the request's \(plan.pictureCount)")
        }
        guard tokens.count == plan.tokenCount else {
            throw .state("it has \(tokens.count) tokens, not \(plan.tokenCount)")
        }
        guard (plan.startStep...plan.stepCount).contains(nextStep), seed == plan.request.seed else {
            throw .state("its step or seed is another")
        }
    }
}
