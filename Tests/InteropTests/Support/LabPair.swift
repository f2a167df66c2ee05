internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Two of the lab's RTSP origins with the same file, of which the first fails on command.
struct LabPair: Sendable {
    let file: String
    let first: RTSPOrigin
    let second: RTSPOrigin

    static func start(
        _ file: String = "main.mkv", faults: [Fault] = [], secondFaults: [Fault] = [],
        options: RTSPOrigin.Options = RTSPOrigin.Options()
    ) async throws -> LabPair {
        let files = ["/\(file)": Fixtures.path(file)]
        return LabPair(
            file: file, first: try await RTSPOrigin.start(serving: files, faults: faults, options: options),
            second: try await RTSPOrigin.start(serving: files, faults: secondFaults, options: options))
    }

    var urls: [String] { [first.url(for: "/\(file)"), second.url(for: "/\(file)")] }
}

extension RTSPOrigin {
    /// The methods that were asked for, in order.
    var methods: [String] { log.map(\.method) }

    /// When a method was asked for first.
    func moment(of method: String) -> Instant? { log.first { $0.method == method }?.receivedAt }
}

extension Play {
    /// The events that made the stream leave an origin.
    var changes: [ChangeEvent] {
        events.compactMap {
            if case .changeObserved(let event, _, _) = $0.kind { event } else { nil }
        }
    }

    /// What a viewer must not notice: every frame is that of an uninterrupted play, and nobody had to wait.
    func problems(expected: Frames, tolerance: Double? = 0.0025) -> [String] {
        var problems: [String] = []
        if let error = summary.error { problems.append("ended with \(error)") }
        if summary.missing != .zero { problems.append("\(summary.missing) missing") }
        if summary.duplicate != .zero { problems.append("\(summary.duplicate) twice") }
        if summary.gapTotal != .zero { problems.append("gap of \(summary.gapTotal)") }
        if let difference = frames.difference(from: expected, tolerance: tolerance) { problems.append(difference) }
        return problems
    }

    /// Records what a viewer would have noticed.
    func expectUnnoticed(_ expected: Frames, tolerance: Double? = 0.0025) {
        let problems = problems(expected: expected, tolerance: tolerance)
        if !problems.isEmpty { Issue.record("\(problems.joined(separator: "; "))\n\(story)") }
    }
}

/// Uninterrupted local plays up to an NPT, made once for each.
actor Beginnings {
    static let shared = Beginnings()
    private var made: [String: Task<Frames, any Error>] = [:]

    func frames(_ file: String, to end: NPT?) async throws -> Frames {
        let name = "\(file) \(end.map { "\($0)" } ?? "")"
        if let task = made[name] { return try await task.value }
        let task = Task {
            let play = try await Play.run([Fixtures.path(file)], pacing: .fast) {
                $0.to = end
                $0.flows = .kinds([.video, .audio])
            }
            guard play.summary.error == nil else {
                throw SupportFailure(description: "\(file) does not play: \(play.story)")
            }
            return play.frames
        }
        made[name] = task
        return try await task.value
    }
}
