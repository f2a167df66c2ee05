package import ThroughlineCore

/// Brings the packets of one flow, as datagrams deliver them, back into the order of their sequence numbers.
///
/// A packet that comes in order is handed on at once, as it lies in the caller's buffer. One that comes too early is
/// copied into a slot and waits there until the packets before it have come, or have been waited for long enough; then
/// the gap is told as a loss, and things go on behind it. What comes twice, or after its place was given up, is dropped.
///
/// Where the count begins, the first packet to come does not tell for sure: another may have been overtaken by it. Unless
/// it is the one that `RTP-Info` promises, the first few are held for a moment, and the lowest of them is where it begins.
/// No more than that is made of the promise, since servers promise packets that they never send, and send some before it.
///
/// Where another session plays the same, a gap is not given up before its packets were looked for there (`RTPTwin`): what
/// is found goes on in its place, and what may still come is waited for a while longer.
///
/// Memory is bounded by the slots, which keep their storage: in the long run nothing is allocated. Not thread-safe; the
/// time is passed in.
package struct RTPReorderBuffer: Sendable {
    package struct Policy: Hashable, Sendable {
        /// How long the first missing packet is waited for.
        package var patience: Duration
        /// How far ahead of the first missing packet one may be held, in sequence numbers: 1 to 1024. A gap is given up
        /// when a packet beyond that comes.
        package var window: Int
        /// How long the first packet of a count waits for one that it may have overtaken.
        package var beginning: Duration
        /// So many packets are held at the beginning, and no more: 1 to 64.
        package var beginningCount: Int

        package init(
            patience: Duration = .milliseconds(100), window: Int = 64, beginning: Duration = .milliseconds(10),
            beginningCount: Int = 4
        ) {
            self.patience = patience
            self.window = max(1, min(1024, window))
            self.beginning = beginning
            self.beginningCount = max(1, min(64, beginningCount))
        }
    }

    /// What comes out, in order.
    package enum Output {
        /// The next packet. The bytes are valid during the call only.
        case packet(UnsafeRawBufferPointer)
        /// The next packet, which was lost here and came from the twin. The bytes are valid during the call only.
        case filled(UnsafeRawBufferPointer)
        /// So many packets are missing here, at least one.
        case lost(count: Int)
        /// The source began to count anew: what follows is no continuation in sequence.
        case restarted
    }

    private struct Slot {
        var bytes: [UInt8] = []
        var arrival = Instant.never
        var isHeld = false
    }

    /// Further ahead than this is no loss but another count (RFC 3550 appendix A.1, `MAX_DROPOUT`).
    private static let mostDropout = 3000
    /// Further behind than this is no late packet but another count (`MAX_MISORDER`).
    private static let mostMisorder = 100
    /// How far ahead of the first missing packet one may be held where there is a twin, which may be waited for.
    private static let mostWindow = 1024
    /// Bytes of packets that may be held, in whatever case.
    private static let mostHeldBytes = 8 << 20
    /// A slot keeps no more storage than this.
    private static let mostKept = 2048

    private let policy: Policy
    /// By sequence number, modulo their count, which is a power of two.
    private var slots: [Slot]
    /// The sequence number that is to be handed on next; nil before the first packet was.
    private var next: UInt16?
    /// That of the first packet, as `RTP-Info` has it.
    private var promised: UInt16?
    /// While `next` is nil: the lowest and the highest number that is held.
    private var lowest: UInt16 = 0
    private var highest: UInt16 = 0
    private var heldCount = 0
    private var heldBytes = 0
    /// When the longest held packet came; `.never` when none is held.
    private var oldest = Instant.never
    /// Which of the 64 packets before `next` were handed on; the lowest bit stands for the one just before it.
    private var handedOn: UInt64 = 0
    /// A packet whose number fits nowhere; a second one that follows it shows a new count.
    private var stray = Slot()
    private var straySequence: UInt16 = 0
    /// Another session that plays the same.
    private var twin: RTPTwin?
    /// When to ask it again for the first missing packet; nil while it is not waited for.
    private var asksAgain: Instant?

    /// Packets that were given up.
    package private(set) var lost = 0
    /// Packets that were lost and came from the twin; those are not counted as lost.
    package private(set) var filled = 0
    /// Packets that came again and were dropped.
    package private(set) var duplicates = 0
    /// Packets that came after they had been given up, and were dropped.
    package private(set) var tooLate = 0
    /// Packets whose numbers fitted nowhere, and were dropped.
    package private(set) var strays = 0

    package init(policy: Policy = Policy()) {
        self.policy = policy
        slots = Self.emptySlots(for: policy.window)
    }

    private static func emptySlots(for window: Int) -> [Slot] {
        var count = 1
        while count <= window { count *= 2 }
        return Array(repeating: Slot(), count: count)
    }

    /// When `expire` is to be called at the latest; `.never` when nothing is waited for.
    package var deadline: Instant {
        if heldCount == 0 { return .never }
        if next == nil { return oldest + min(policy.beginning, policy.patience) }
        return max(oldest + policy.patience, asksAgain ?? oldest)
    }

    /// `RTP-Info` tells the number of the first packet. Once a packet was handed on this changes nothing.
    package mutating func promises(_ first: UInt16, deliver: (Output) -> Void) {
        guard next == nil else { return }
        promised = first
        if heldCount > 0, lowest == first { begin(deliver) }
    }

    /// A packet has come.
    ///
    /// - Parameters:
    ///   - packet: its bytes; copied only when it must wait.
    ///   - sequence: its sequence number.
    ///   - deliver: is given what can go on now, in order. It must not touch this buffer.
    package mutating func arrived(
        _ packet: UnsafeRawBufferPointer, sequence: UInt16, at now: Instant, deliver: (Output) -> Void
    ) {
        twin?.playedReceived(packet, at: now)
        if next == nil {
            guard !meets(packet, sequence: sequence, at: now, deliver) else { return }
        }
        guard let next else { return }
        let ahead = Int(Int16(bitPattern: sequence &- next))
        if ahead == 0 {
            handOn(.packet(packet), deliver)
            if heldCount > 0 { drain(deliver) }
        } else if ahead > 0, ahead <= Self.mostDropout {
            hold(packet, sequence: sequence, ahead: ahead, at: now, deliver)
        } else if ahead < 0, ahead >= -Self.mostMisorder {
            let bit = -ahead - 1
            if bit < 64, handedOn & (1 << UInt64(bit)) == 0 { tooLate += 1 } else { duplicates += 1 }
        } else {
            fitsNowhere(packet, sequence: sequence, at: now, deliver)
        }
        if heldCount > 0, deadline <= now { expire(at: now, deliver: deliver) }
    }

    /// Gives up what has been waited for long enough.
    package mutating func expire(at now: Instant, deliver: (Output) -> Void) {
        if next == nil, heldCount > 0, deadline <= now { begin(deliver) }
        while heldCount > 0, deadline <= now, closeGap(at: now, deliver) {}
    }

    /// Gives up all that is missing, at the end or before a pause.
    package mutating func flush(deliver: (Output) -> Void) {
        if next == nil, heldCount > 0 { begin(deliver) }
        while heldCount > 0 { closeGap(at: nil, deliver) }
    }

    /// Forgets everything: another range begins, after a seek or with another connection.
    package mutating func reset() {
        for index in slots.indices where slots[index].isHeld { release(index) }
        stray.isHeld = false
        oldest = .never
        handedOn = 0
        next = nil
        promised = nil
        asksAgain = nil
        twin?.restart()
    }

    // MARK: The twin

    /// Another session plays the same: from now on what is missing here is looked for there. Whatever was known of one
    /// before is forgotten.
    package mutating func join(_ policy: RTPTwin.Policy) {
        if twin == nil {
            let held = heldNumbers
            // Room for what is held while the twin is waited for.
            let before = slots
            slots = Self.emptySlots(for: max(self.policy.window, Self.mostWindow))
            for sequence in held {
                slots[index(sequence)] = before[Int(sequence) & (before.count - 1)]
            }
        }
        twin = RTPTwin(policy: policy)
        asksAgain = nil
    }

    /// There is no twin any more. What is held goes on as without one.
    package mutating func leaveTwin() {
        twin = nil
        asksAgain = nil
    }

    /// A packet has come from the twin.
    ///
    /// - Parameters:
    ///   - arrival: when it came; it may lie in the past.
    ///   - deliver: is given what can go on now, in order. It must not touch this buffer.
    package mutating func twinReceived(
        _ packet: UnsafeRawBufferPointer, arrival: Instant, at now: Instant, deliver: (Output) -> Void
    ) {
        twin?.twinReceived(packet, at: arrival)
        guard heldCount > 0, next != nil, asksAgain != nil || deadline <= now else { return }
        while heldCount > 0, oldest + policy.patience <= now || asksAgain != nil, closeGap(at: now, deliver) {}
    }

    /// The twin begins to count anew.
    package mutating func twinRestarted() {
        twin?.restart()
    }

    /// Whether a packet of the twin would be handed on as soon as it comes.
    package var awaitsTwin: Bool { asksAgain != nil }

    /// Whether the twin is known to send the same packets; nil without one.
    package var twinAgrees: Bool? { twin.map(\.agrees) }

    /// Bytes that are kept of packets of the twin, with the room for more.
    package var twinCapacity: Int { twin?.capacity ?? 0 }

    /// What was noticed of the twin since the last time.
    package mutating func takeTwinFindings() -> [RTPTwin.Finding] { twin?.takeFindings() ?? [] }

    // MARK: Inside

    /// The numbers of the packets that are held.
    private var heldNumbers: [UInt16] {
        let from = next ?? lowest
        return (0..<slots.count).map { from &+ UInt16($0) }.filter { slots[index($0)].isHeld }
    }

    private func index(_ sequence: UInt16) -> Int { Int(sequence) & (slots.count - 1) }

    private mutating func handOn(_ output: Output, _ deliver: (Output) -> Void) {
        next = next.map { $0 &+ 1 }
        handedOn = handedOn << 1 | 1
        asksAgain = nil
        deliver(output)
    }

    private mutating func release(_ index: Int) {
        slots[index].isHeld = false
        heldCount -= 1
        heldBytes -= slots[index].bytes.count
    }

    /// Takes a packet before any was handed on.
    ///
    /// - Returns: false when the count has begun, and the packet is one like others.
    private mutating func meets(
        _ packet: UnsafeRawBufferPointer, sequence: UInt16, at now: Instant, _ deliver: (Output) -> Void
    ) -> Bool {
        guard heldCount > 0 else {
            if sequence == promised || policy.beginning <= .zero || policy.beginningCount == 1 {
                next = sequence
                return false
            }
            (lowest, highest) = (sequence, sequence)
            keep(packet, sequence: sequence, at: now)
            return true
        }
        let (down, up) = (Int(Int16(bitPattern: lowest &- sequence)), Int(Int16(bitPattern: sequence &- highest)))
        let span = Int(highest &- lowest)
        guard max(down, up) + span <= policy.window else {
            // Too far from the others to be one of them.
            begin(deliver)
            return false
        }
        guard down > 0 || up > 0 || !slots[index(sequence)].isHeld else {
            duplicates += 1
            return true
        }
        if down > 0 { lowest = sequence }
        if up > 0 { highest = sequence }
        keep(packet, sequence: sequence, at: now)
        if heldCount >= policy.beginningCount || lowest == promised || deadline <= now { begin(deliver) }
        return true
    }

    /// The count begins with the lowest that is held.
    private mutating func begin(_ deliver: (Output) -> Void) {
        next = lowest
        drain(deliver)
    }

    private mutating func hold(
        _ packet: UnsafeRawBufferPointer, sequence: UInt16, ahead: Int, at now: Instant, _ deliver: (Output) -> Void
    ) {
        var ahead = ahead
        while ahead > (twin == nil ? policy.window : Self.mostWindow) {
            // Too far ahead to wait for what is missing.
            if heldCount > 0 {
                closeGap(at: nil, deliver)
            } else {
                pass(ahead, at: nil, deliver)
            }
            ahead = distance(of: sequence)
        }
        guard ahead > 0 else {
            // All before it was given up or has come.
            handOn(.packet(packet), deliver)
            drain(deliver)
            return
        }
        let index = index(sequence)
        guard !slots[index].isHeld else {
            duplicates += 1
            return
        }
        keep(packet, sequence: sequence, at: now)
        while heldBytes > Self.mostHeldBytes { closeGap(at: nil, deliver) }
    }

    private func distance(of sequence: UInt16) -> Int { next.map { Int(Int16(bitPattern: sequence &- $0)) } ?? 0 }

    private mutating func keep(_ packet: UnsafeRawBufferPointer, sequence: UInt16, at now: Instant) {
        let index = index(sequence)
        slots[index].bytes.removeAll(keepingCapacity: true)
        slots[index].bytes.append(contentsOf: packet)
        slots[index].arrival = now
        slots[index].isHeld = true
        heldCount += 1
        heldBytes += packet.count
        oldest = min(oldest, now)
    }

    /// Hands on the held packets that follow without a gap.
    private mutating func drain(_ deliver: (Output) -> Void) {
        var drained = false
        while heldCount > 0, let next {
            let index = index(next)
            guard slots[index].isHeld else { break }
            release(index)
            drained = true
            self.next = next &+ 1
            handedOn = handedOn << 1 | 1
            slots[index].bytes.withUnsafeBytes { deliver(.packet($0)) }
            if slots[index].bytes.capacity > Self.mostKept { slots[index].bytes = [] }
        }
        if drained {
            asksAgain = nil
            oldest = .never
            findOldest()
        }
    }

    /// Among those that are held behind `next`, which are no further apart than there are slots.
    private mutating func findOldest() {
        var left = heldCount
        for step in 1..<slots.count where left > 0 {
            let index = index((next ?? lowest) &+ UInt16(step))
            guard slots[index].isHeld else { continue }
            oldest = min(oldest, slots[index].arrival)
            left -= 1
        }
    }

    /// Goes on behind the first gap: gives up what is missing there, or takes it from the twin.
    ///
    /// - Parameter now: nil where the twin cannot be waited for any longer.
    /// - Returns: false when it is waited for, and the gap stays open.
    @discardableResult
    private mutating func closeGap(at now: Instant?, _ deliver: (Output) -> Void) -> Bool {
        // What is held lies within the window of `next`: it was put there so, and `next` has only come nearer since.
        guard let next, let count = (1..<slots.count).first(where: { slots[index(next &+ UInt16($0))].isHeld })
        else { preconditionFailure("\(heldCount) held, none within \(slots.count) of \(String(describing: next))") }
        guard pass(count, at: now, deliver) else { return false }
        drain(deliver)
        return true
    }

    /// Passes over packets that are missing: those that the twin has are handed on, and the others are given up.
    ///
    /// - Returns: false when the twin is waited for: then only those before the one that it may bring were passed.
    @discardableResult
    private mutating func pass(_ count: Int, at now: Instant?, _ deliver: (Output) -> Void) -> Bool {
        guard twin != nil else {
            skip(count, deliver)
            return true
        }
        let limit = now.flatMap { now in
            twin.map { oldest + max($0.hold, policy.patience) }.flatMap { $0 > now ? $0 : nil }
        }
        var missing = 0
        for _ in 0..<count {
            guard let next else { break }
            let sequence = next &+ UInt16(truncatingIfNeeded: missing)
            let answer = twin?.fill(sequence, at: now ?? .never, until: limit) { packet in
                // What is missing before it is told before it.
                if missing > 0 { deliver(.lost(count: missing)) }
                deliver(.filled(packet))
            }
            switch answer {
            case .awaited(let moment):
                if missing > 0 { skip(missing, deliver) }
                asksAgain = moment
                return false
            case .filled:
                if missing > 0 { giveUp(missing) }
                missing = 0
                self.next = self.next.map { $0 &+ 1 }
                handedOn = handedOn << 1 | 1
                asksAgain = nil
                filled += 1
            case .absent, nil: missing += 1
            }
        }
        if missing > 0 { skip(missing, deliver) }
        return true
    }

    private mutating func skip(_ count: Int, _ deliver: (Output) -> Void) {
        giveUp(count)
        deliver(.lost(count: count))
    }

    private mutating func giveUp(_ count: Int) {
        next = next.map { $0 &+ UInt16(truncatingIfNeeded: count) }
        handedOn = count < 64 ? handedOn << UInt64(count) : 0
        lost += count
        asksAgain = nil
    }

    /// Two packets in a row with numbers far from where they should be are a new count (RFC 3550 appendix A.1).
    private mutating func fitsNowhere(
        _ packet: UnsafeRawBufferPointer, sequence: UInt16, at now: Instant, _ deliver: (Output) -> Void
    ) {
        guard stray.isHeld, sequence == straySequence &+ 1 else {
            if stray.isHeld { strays += 1 }
            stray.bytes.removeAll(keepingCapacity: true)
            stray.bytes.append(contentsOf: packet)
            stray.isHeld = true
            straySequence = sequence
            return
        }
        flush(deliver: deliver)
        stray.isHeld = false
        next = sequence &+ 1
        handedOn = 0b11
        twin?.restart()
        deliver(.restarted)
        stray.bytes.withUnsafeBytes { deliver(.packet($0)) }
        deliver(.packet(packet))
    }
}
