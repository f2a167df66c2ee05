/// The ingests of the flows that come from one place and move together: the one that is read, and one that is held.
///
/// | held | what it is | what becomes of it |
/// | --- | --- | --- |
/// | `nothing` | | |
/// | `leaving` | to be left, and delivers still | played on where nobody else can be had; let go once another has joined |
/// | `ended` | over before its time | what it still holds is played out where nobody goes on |
/// | `standing` | over for good | the end stands, unless one that says that it has more can be joined |
/// | `next` | has joined | read next |
///
/// The one that is held may be the one that is read. Whoever is not needed any more is given back by the method that made it
/// so, to be stopped. One that has joined is never displaced.
package struct FlowGroup<Ingest: AnyObject> {
    package enum Held {
        case nothing
        /// - Parameter failed: how the ingest has failed since.
        case leaving(Ingest, failed: ChangeEvent?)
        case ended(Ingest)
        case standing(Ingest)
        case next(Ingest)

        fileprivate var ingest: Ingest? {
            switch self {
            case .nothing: nil
            case .leaving(let ingest, _), .ended(let ingest), .standing(let ingest), .next(let ingest): ingest
            }
        }
    }

    /// The one that is read.
    package private(set) var read: Ingest?
    /// The ingest that is read is to be left, and the next one is being made ready.
    package private(set) var isReadOn = false
    package private(set) var held = Held.nothing

    package init() {}

    /// The ingest that is played on should no other be had: one that is to be left, or whose end stands.
    package var leaving: Ingest? {
        switch held {
        case .leaving(let ingest, _), .standing(let ingest): ingest
        case .nothing, .ended, .next: nil
        }
    }

    /// The one that is to be left has failed since.
    package var failure: ChangeEvent? { if case .leaving(_, let failed) = held { failed } else { nil } }
    /// Another one has joined.
    package var hasNext: Bool { if case .next = held { true } else { false } }
    /// The end stands unless somebody has more.
    package var endStands: Bool { if case .standing = held { true } else { false } }

    // MARK: - What is read

    package mutating func reads(_ ingest: Ingest) { (read, isReadOn) = (ingest, false) }

    /// What is to be left is read until the next one is ready.
    package mutating func readsOn(_ ingest: Ingest) { (read, isReadOn) = (ingest, true) }

    /// Nothing is read any more.
    ///
    /// - Returns: what was read, unless it is held.
    package mutating func readsNoMore() -> Ingest? {
        defer { (read, isReadOn) = (nil, false) }
        guard let read, !isReadOn, held.ingest !== read else { return nil }
        return read
    }

    // MARK: - What is held

    /// An ingest that delivers is to be left.
    package mutating func leaves(_ ingest: Ingest) { hold(.leaving(ingest, failed: nil)) }
    /// An ingest has ended before the presentation does.
    package mutating func ended(_ ingest: Ingest) { hold(.ended(ingest)) }
    /// An ingest has ended, and another origin says that it has more.
    package mutating func stands(_ ingest: Ingest) { hold(.standing(ingest)) }
    private mutating func hold(_ new: Held) { if !hasNext { held = new } }
    /// The one that is to be left has failed.
    package mutating func fails(_ event: ChangeEvent) {
        if case .leaving(let ingest, nil) = held { held = .leaving(ingest, failed: event) }
    }

    /// Another one has joined.
    ///
    /// - Returns: what was held, unless it is read: that is given back when it is read no more.
    package mutating func joined(_ ingest: Ingest) -> Ingest? {
        let former = held.ingest
        held = .next(ingest)
        return former === ingest || former === read ? nil : former
    }

    /// The one that has joined, to be read now.
    package mutating func takeNext() -> Ingest? {
        guard case .next(let ingest) = held else { return nil }
        held = .nothing
        return ingest
    }

    /// The ingest that was to be left, to be read on since no other could be had.
    package mutating func takeLeaving() -> Ingest? {
        guard let leaving else { return nil }
        held = .nothing
        return leaving
    }

    /// What has ended before its time, to be played out.
    package mutating func takeEnded() -> Ingest? {
        switch held {
        case .ended(let ingest), .standing(let ingest):
            held = .nothing
            return ingest
        case .nothing, .leaving, .next: return nil
        }
    }

    /// Nothing that is held is needed any more.
    ///
    /// - Returns: what was, unless it is read.
    package mutating func dismiss() -> Ingest? {
        defer { held = .nothing }
        return held.ingest === read ? nil : held.ingest
    }
}
