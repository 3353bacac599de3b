-- Is the order there already?
SELECT dbo.[ORDERS].[ID], dbo.[ORDERS].[NUM]
FROM dbo.[ORDERS]
WHERE dbo.[ORDERS].[MISTOK_KEY] = N'demo/shop/1/create/0';

-- No: its row, in a transaction of its own.
INSERT INTO dbo.[ORDERS] ([MISTOK_KEY], [ID], [NUM], [ORDER_DATE], [STATE], [BUYER_ID], [PHONE], [ADDRESS], [NOTE], [CUR], [DELIVERY], [TOTAL], [OBJECT_ID], [ADDED]) VALUES (N'demo/shop/1/create/0', NEXT VALUE FOR [SEQ_ORDERS], N'00000001', '2026-11-22 14:00:00', N'new', 1, N'+380671234567', N'Київ, nova-poshta, № 12', NULL, N'UAH', 70.00, 994.80, 7, '2026-11-22 14:00:00');

-- Which id did it get?
SELECT dbo.[ORDERS].[ID], dbo.[ORDERS].[NUM]
FROM dbo.[ORDERS]
WHERE dbo.[ORDERS].[MISTOK_KEY] = N'demo/shop/1/create/0';

-- Line 1.
INSERT INTO [ORDER_LINES] ([ORDER_ID], [POS], [GOOD_ID], [TITLE], [QTY], [PRICE], [DISCOUNT], [SUMMA]) VALUES (:id, 1, 1, N'Ґрунт 10 л', 2, 389.50, 0.00, 779.00);

-- Line 2.
INSERT INTO [ORDER_LINES] ([ORDER_ID], [POS], [GOOD_ID], [TITLE], [QTY], [PRICE], [DISCOUNT], [SUMMA]) VALUES (:id, 2, 1, N'Стрічка', 3, 48.60, 0.00, 145.80);

-- COMMIT: all of it, or nothing.

-- The order came again with other content: its row is changed, its lines are written anew.
UPDATE dbo.[ORDERS] SET [NUM]=N'00000001', [ORDER_DATE]='2026-11-22 14:00:00', [STATE]=N'new', [BUYER_ID]=1, [PHONE]=N'+380671234567', [ADDRESS]=N'Київ, nova-poshta, № 12', [NOTE]=NULL, [CUR]=N'UAH', [DELIVERY]=70.00, [TOTAL]=994.80, [OBJECT_ID]=7 WHERE dbo.[ORDERS].[ID] = :id;

-- Only lines of this order, and only when they differ.
DELETE FROM [ORDER_LINES] WHERE [ORDER_LINES].[ORDER_ID] = :id;

-- The order was cancelled: marked, never deleted.
UPDATE dbo.[ORDERS] SET [STATE]=N'cancelled' WHERE dbo.[ORDERS].[ID] = :id;

-- A payment.
INSERT INTO [PAYMENTS] ([MISTOK_KEY], [ORDER_ID], [PAID], [PAID_AT]) VALUES (N'demo/shop/1/pay/1', :id, 500.00, '2026-11-22 14:00:00');
