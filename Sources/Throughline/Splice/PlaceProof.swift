internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Gathers what shows where another encode stands on the timeline of what was received: packets that are known after all,
/// pictures, and where those do not move, sound.
///
/// Used on one thread: `take` for every packet of the other origin, in order, and `verdict` in between.
final class PlaceProof {
    enum Verdict {
        /// More packets may tell.
        case open
        /// It stands where its times say.
        case here(String)
        /// It stands elsewhere: this is to be added to its times.
        case elsewhere(MediaTime, String)
        /// It may be the same programme, and nothing tells the place.
        case untold(String, isAlike: Bool)
        /// It is of the same kind, and what was seen of it is from other moments.
        case nowhere(String)
        case refused(String)
    }

    /// Sound of so many packets is kept until it is known whether it is needed.
    static let soundLimit = 1024

    private let memories: [Recollection?]
    private var runs: [DeliveredRun]
    private let form: (Int) -> PayloadForm
    private let flow: FlowFormat
    private let output: Int
    private let reference: ProgrammeCheck.Reference?
    private let check: ProgrammeCheck?
    /// Compares the sound; nil where there is none in common.
    private var sound: SoundCheck?
    private let soundFlow: Int?
    private var heard = UniqueDeque<Packet>()
    private var soundIsThere = false
    private var found: Verdict?

    /// - Parameters:
    ///   - flow: the pictures of the other origin, and `output` the flow of the output that they feed.
    ///   - memories: by flow of the output, what was delivered of late.
    ///   - sound: what compares the sound, with the flow of the other origin.
    ///   - form: how a flow of the other origin carries its payload.
    init(
        pictures flow: FlowFormat, output: Int, reference: ProgrammeCheck.Reference?, memories: [Recollection?],
        sound: (check: SoundCheck, flow: Int)?, form: @escaping (Int) -> PayloadForm
    ) {
        self.flow = flow
        self.output = output
        self.reference = reference
        self.memories = memories
        self.form = form
        self.sound = sound?.check
        soundFlow = sound?.flow
        runs = memories.map { _ in DeliveredRun() }
        check = reference.flatMap { ProgrammeCheck(reference: $0, flow: flow) }
    }

    /// A packet of the other origin that feeds a flow of the output.
    func take(_ packet: borrowing Packet, output index: Int) {
        guard found == nil else { return }
        recognise(packet, index)
        if packet.flow == flow.index { check?.look(at: packet) }
        guard packet.flow == soundFlow, let sound, let pts = packet.pts else { return }
        if pts > sound.end { soundIsThere = true }
        if heard.count < Self.soundLimit, let copy = try? packet.reference() { heard.append(copy) }
    }

    /// A run of packets that were delivered says more than all pictures.
    private func recognise(_ packet: borrowing Packet, _ index: Int) {
        guard let memory = memories[index], let pts = packet.pts,
            let place = runs[index].arrived(packet.glance(form: form(packet.flow)), in: memory),
            runs[index].isProven
        else { return }
        let shift = memory.packets[place].pts - pts
        let kind = index == output ? "pictures" : "sound"
        let near = index == output ? PacketAligner.agreement : PacketAligner.flowSkew
        found =
            shift.magnitude <= near
            ? .here("the same programme: packets of its \(kind) are known, and stand where they should")
            : .elsewhere(shift, "packets of its \(kind) are known")
    }

    /// What has been found out so far.
    ///
    /// - Parameter isFinal: no more packets come, so that an answer is due.
    func verdict(isFinal: Bool) -> Verdict {
        if let found { return found }
        guard let check, let reference else { return listened("no picture was at hand to compare", isFinal, .none) }
        guard check.isDecided || isFinal else { return .open }
        let place = "from \(reference.time) on"
        switch check.finding() {
        case .here(let likeness):
            return settle(
                .here(
                    "another encode: no packet is the same, and the pictures \(place) are, there and nowhere near "
                        + "(likeness \(likeness.percent))"))
        case .elsewhere(let shift, let likeness):
            return settle(.elsewhere(shift, "the pictures \(place) are found there (likeness \(likeness.percent))"))
        case .different(let likeness):
            return settle(
                .refused("another programme: its pictures \(place) differ (likeness \(likeness.percent))"))
        case .nowhere(let likeness):
            return listened(
                "its pictures \(place) are of another moment (likeness \(likeness.percent))", isFinal, .moved)
        case .untold(let likeness):
            return listened(
                "the pictures \(place) are alike before and after, too (likeness \(likeness.percent))", isFinal, .alike)
        case .inconclusive(let reason): return listened(reason, isFinal, .none)
        }
    }

    /// What the pictures have shown that do not tell the place.
    private enum Seen { case none, alike, moved }

    /// Where pictures tell no place, sound may.
    private func listened(_ reason: String, _ isFinal: Bool, _ seen: Seen) -> Verdict {
        let untold: Verdict = seen == .moved ? .nowhere(reason) : .untold(reason, isAlike: seen == .alike)
        guard var check = sound else { return settle(untold) }
        guard soundIsThere || isFinal else { return .open }
        while let packet = heard.popFirst() { check.hear(packet) }
        sound = nil
        switch check.finding() {
        case .here(let likeness):
            return settle(
                .here(
                    "another encode: no packet is the same, and the sound from \(check.start) on is, there and nowhere "
                        + "near (likeness \(likeness.percent)); \(reason)"))
        case .elsewhere(let shift, let likeness):
            return settle(
                .elsewhere(shift, "the sound from \(check.start) on is found there (likeness \(likeness.percent))"))
        case .different(let likeness):
            return settle(
                .nowhere("its sound from \(check.start) on differs (likeness \(likeness.percent)), and \(reason)"))
        case .untold(let likeness):
            let words = "\(reason), and so is the sound (likeness \(likeness.percent))"
            return settle(seen == .moved ? .nowhere(reason) : .untold(words, isAlike: true))
        case .inconclusive(let why):
            return settle(seen == .moved ? .nowhere(reason) : .untold("\(reason), and \(why)", isAlike: seen == .alike))
        }
    }

    private func settle(_ verdict: Verdict) -> Verdict {
        found = verdict
        return verdict
    }
}

extension Double {
    /// `97 %`.
    var percent: String { "\(Int((self * 100).rounded())) %" }
}
