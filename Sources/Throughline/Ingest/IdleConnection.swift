internal import ThroughlineCore

/// Whether a connection that breaks may have been closed while nobody read from it: what a server does to a client that
/// it takes for gone is no failure of that server.
///
/// Such a break shows late, behind all that was received or under way before. So it is told by how long was waited since:
/// for what is there already, and for what comes as soon as there is room for it, nobody waits long.
///
/// | a connection | may have idled |
/// | --- | --- |
/// | read without a pause | no |
/// | left alone for `bound` or longer | yes |
/// | of which then came what was under way | yes |
/// | that was waited for since, `patience` in all | no |
struct IdleConnection {
    /// How long nobody must have read for a closed connection to count as idle.
    static let bound: Duration = .seconds(2)
    /// A server that was waited for as long as this, and then sent something, had not taken its client for gone.
    static let patience: Duration = .milliseconds(500)

    private(set) var mayHaveIdled = false
    private var waited: Duration = .zero

    /// The connection is read again, after nobody had read from it for so long.
    mutating func left(alone time: Duration) {
        if time >= Self.bound { (mayHaveIdled, waited) = (true, .zero) }
    }

    /// Bytes came that had to be waited for.
    mutating func came(after time: Duration) {
        guard mayHaveIdled else { return }
        waited += time
        if waited >= Self.patience { mayHaveIdled = false }
    }

    /// The break was dealt with, or another connection is read: nothing is known of idleness any more.
    mutating func settled() { mayHaveIdled = false }
}
