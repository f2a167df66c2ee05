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

extension SimulatedWorld {
    /// Two of the lab's RTSP origins in a world, of which the first fails on command.
    ///
    /// - Parameters:
    ///   - faults: of the first, as the lab reads them, with spaces between.
    ///   - secondFaults: of the second.
    func pair(
        _ file: String = "main.mkv", _ faults: String = "", second secondFaults: String = "",
        options: RTSPOrigin.Options = RTSPOrigin.Options(), link: NetworkLink = NetworkLink()
    ) throws -> LabPair {
        let path = file.hasPrefix("/") ? file : Fixtures.path(file)
        func origin(_ faults: String) throws -> RTSPOrigin {
            let faults = try faults.split(separator: " ").map { try Fault(parsing: String($0)) }
            return try serveRTSP(["/film": path], faults: faults, options: options, link: link)
        }
        return LabPair(file: "film", first: try origin(faults), second: try origin(secondFaults))
    }
}

extension LabPair {
    /// Plays two of the lab's RTSP origins in a world.
    ///
    /// - Parameters:
    ///   - faults: of the first; `second`, of the other one.
    ///   - arrange: does what else is needed before, and gives the origins that are played; on a thread of the world.
    ///   - whilePlaying: runs beside the play from the first packet on, on a thread of the world.
    static func play(
        _ file: String = "main.mkv", _ faults: String = "", second: String = "",
        over transport: RTSPTransportChoice = .tcp, options: RTSPOrigin.Options = RTSPOrigin.Options(),
        link: NetworkLink = NetworkLink(), buffer: Duration = .seconds(1), to end: NPT? = nil,
        pacing: Configuration.Pacing = .realtime, containers: [String] = [],
        configure: @escaping @Sendable (inout Configuration) -> Void = { _ in },
        arrange: @escaping @Sendable (SimulatedWorld, LabPair) throws -> [String] = { $1.urls },
        whilePlaying: @escaping @Sendable (WorldViewer, LabPair) throws -> Void
    ) async throws -> (play: Play, pair: LabPair) {
        try await inWorld { world in
            let pair = try world.pair(file, faults, second: second, options: options, link: link)
            let urls = try arrange(world, pair)
            let play = try world.play(urls, buffer: buffer, pacing: pacing, containers: containers) {
                $0.rtspTransport = transport
                $0.to = end
                configure(&$0)
            } whilePlaying: {
                try whilePlaying($0, pair)
            }
            return (play, pair)
        }
    }

    /// The same with nobody beside it.
    static func play(
        _ file: String = "main.mkv", _ faults: String = "", second: String = "",
        over transport: RTSPTransportChoice = .tcp, options: RTSPOrigin.Options = RTSPOrigin.Options(),
        link: NetworkLink = NetworkLink(), buffer: Duration = .seconds(1), to end: NPT? = nil,
        pacing: Configuration.Pacing = .realtime, containers: [String] = [],
        configure: @escaping @Sendable (inout Configuration) -> Void = { _ in },
        arrange: @escaping @Sendable (SimulatedWorld, LabPair) throws -> [String] = { $1.urls }
    ) async throws -> (play: Play, pair: LabPair) {
        try await play(
            file, faults, second: second, over: transport, options: options, link: link, buffer: buffer, to: end,
            pacing: pacing, containers: containers, configure: configure, arrange: arrange, whilePlaying: { _, _ in })
    }
}

extension RTSPOrigin {
    /// The address of what an origin of a world serves.
    var film: String { url(for: "/film") }

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

/// Uninterrupted plays of the lab over RTSP, in a world, up to an NPT; made once for each.
///
/// Over RTSP everything is heard that a file has, also what its container hides.
actor WorldReferences {
    static let shared = WorldReferences()
    private var made: [String: Task<Frames, any Error>] = [:]

    func frames(_ file: String, to end: NPT?) async throws -> Frames {
        let name = "\(file) \(end.map { "\($0)" } ?? "")"
        if let task = made[name] { return try await task.value }
        let task = Task {
            let play = try await inWorld { world in
                try world.play([world.pair(file).first.film]) {
                    $0.rtspTransport = .tcp
                    $0.to = end
                    $0.flows = .kinds([.video, .audio])
                }
            }
            let whole = try await Beginnings.shared.frames(file, to: end)
            // What is shown is what the file holds.
            let (mine, theirs) = (play.frames.only("video"), whole.only("video"))
            let difference = mine.difference(from: theirs, tolerance: 0.0025)
            guard play.summary.error == nil, play.summary.gapTotal == .zero, difference == nil else {
                throw SupportFailure(description: "\(file) does not play: \(difference ?? "")\n\(play.story)")
            }
            // And no less is heard.
            guard zip(play.frames.flows, whole.flows).allSatisfy({ $0.frames.count >= $1.frames.count }) else {
                throw SupportFailure(description: "\(file) is not heard\n\(play.story)")
            }
            return play.frames
        }
        made[name] = task
        return try await task.value
    }
}
