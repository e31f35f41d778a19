-- When a component was added; none: before it was noted down.
ALTER TABLE components ADD COLUMN added_at INTEGER;
-- The component that an integration used before, to which it can return.
ALTER TABLE integrations ADD COLUMN connector_before TEXT;
