internal import ThroughlineCore
internal import ThroughlineProtocols

extension RTPReader.Finding {
    /// What a finding is about.
    enum Subject: Hashable {
        case newCount, noTimestamps, timestampsBack, accountsApart, unreadable, unlikeTwin
    }

    /// What a viewer should know, in words that follow the name of the flow; nil for what is of no consequence, or is
    /// told otherwise.
    var told: (subject: Subject, text: String)? {
        switch self {
        case .timeline(.timestampsRestarted(let step)):
            (.newCount, "its timestamps begin anew, \(step) off; the timeline goes on")
        case .timeline, .damaged, .lost, .position(.accountsAgree): nil
        case .watch(.dropped(let npt)):
            (.noTimestamps, "its timestamps tell nothing from \(npt) on; the position is counted")
        case .watch(.believed(let npt, let shift)):
            (.timestampsBack, "its timestamps are believed again from \(npt) on, with \(shift) added")
        case .position(.accountsApart(let difference)):
            (
                .accountsApart,
                "timestamps and declared bandwidth have gone apart by \(difference); the timestamps are believed"
            )
        case .position(.timestampsMissing):
            (.noTimestamps, "its packets have no timestamps that can be believed; the position is counted")
        case .position(.timestampsLeapt(let step)):
            (.noTimestamps, "its timestamps leap by \(step); the position is counted")
        case .position(.timestampsOutOfPace(let gone, let counted)):
            (.noTimestamps, "its timestamps went \(gone) while \(counted) of media came; the position is counted")
        case .position(.timestampsResumed(let shift)):
            (.timestampsBack, "its timestamps are believed again, with \(shift) added")
        case .unreadable(let error): (.unreadable, "a packet could not be read: \(error)")
        }
    }
}

extension RTPTwin.Finding {
    /// What a viewer should know, as above.
    var told: (subject: RTPReader.Finding.Subject, text: String)? {
        switch self {
        case .agrees, .contradicted: nil
        case .unlike:
            (.unlikeTwin, "the hot standby sends no packets that are the same: what is lost is not filled from there")
        }
    }
}
