//! Which campaigns the demo company ran: a calendar, the same for every seed and scale.

use jiff::ToSpan;

use super::constants::{HISTORY_YEARS, PROGRAMMES, Programme};
use super::history::{DAY, History};

/// One campaign.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "fields are named as the columns")]
pub(super) struct Campaign {
    /// Its id, from 1, in order of start.
    pub(super) campaign_id: i64,
    /// The yearly plan it belongs to; a plan has none.
    pub(super) parent_campaign_id: Option<i64>,
    /// What people call it.
    pub(super) name: String,
    /// What it does; a plan addresses nobody itself.
    pub(super) programme: Option<&'static Programme>,
    /// When it began.
    pub(super) started_at: i64,
    /// When it ended or will end.
    pub(super) ends_at: i64,
}

/// The campaigns of `history`, in order of start.
pub(super) fn campaigns(history: &History) -> Vec<Campaign> {
    let plans = (0_i64..).zip(history.years()).map(|(year, day)| plan(year, *day, history));
    let mut found = plans.collect::<Vec<_>>();
    for programme in PROGRAMMES {
        found.extend(flights(programme, history));
    }
    found.sort_by_key(|campaign| campaign.started_at);
    for (campaign_id, campaign) in (1..).zip(&mut found) {
        campaign.campaign_id = campaign_id;
    }
    adopt(&mut found, history);
    found
}

fn plan(year: i64, day: i64, history: &History) -> Campaign {
    let next = usize::try_from(year + 1).ok().and_then(|next| history.years().get(next));
    Campaign {
        campaign_id: 0,
        parent_campaign_id: None,
        name: format!("Plan for year {} of {HISTORY_YEARS}", year + 1),
        programme: None,
        started_at: day * DAY,
        ends_at: next.map_or(history.until(), |day| day * DAY),
    }
}

fn flights(programme: &'static Programme, history: &History) -> Vec<Campaign> {
    let mut found = Vec::new();
    let mut day = programme.first_day;
    while day < history.days() {
        let date = history.first_day().checked_add(day.days()).unwrap_or(history.until_day());
        let started_at = history.start() + day * DAY;
        found.push(Campaign {
            campaign_id: 0,
            parent_campaign_id: None,
            name: format!("{} {date}", programme.name),
            programme: Some(programme),
            started_at,
            ends_at: started_at + programme.lasts_days * DAY,
        });
        day += programme.every_days;
    }
    found
}

/// Gives every campaign the plan of its year as parent.
fn adopt(campaigns: &mut [Campaign], history: &History) {
    let plans = campaigns.iter().filter(|campaign| campaign.programme.is_none());
    let plans = plans.map(|campaign| campaign.campaign_id).collect::<Vec<_>>();
    for campaign in campaigns.iter_mut().filter(|campaign| campaign.programme.is_some()) {
        campaign.parent_campaign_id = plans.get(history.year_of(campaign.started_at)).copied();
    }
}
